"""Train the network of a run folder."""

import copy
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import gin
import torch
from ignite.utils import manual_seed

from audition import configs
from audition.datasets.split import Split
from audition.device import keep_freed_memory
from audition.errors import ConfigError
from audition.reports.hparams import log_row
from audition.runs.folder import Run
from audition.runs.journal import timestamp
from audition.training import Training, checkpoints
from audition.training.hearing import let_hear
from audition.training.loop import attach, build, go_on, is_trained, iterate, validation_loader
from audition.training.numerics import numerics
from audition.training.passport import MAY_CHANGE
from audition.training.settings import Settings
from audition.training.start import start_from

log = logging.getLogger(__name__)


@gin.configurable(denylist=["run", "resume", "may_change", "rehearse", "instead"])
def train(
    run: Run,
    train_data: Split = gin.REQUIRED,
    val_data: Split | None = gin.REQUIRED,
    features: Any = gin.REQUIRED,
    loss_dictionary: dict = gin.REQUIRED,
    optimizer: Callable = gin.REQUIRED,
    batch_size: int = gin.REQUIRED,
    num_epochs: int = gin.REQUIRED,
    model_config: dict | None = None,
    model: torch.nn.Module | None = None,
    epoch_length: int | None = None,
    accumulate_batches: int = 1,
    excerpt_frames: int | None = None,
    excerpt_seconds: float | None = None,
    curriculum: dict[int, dict] | None = None,
    val_loss_dictionary: dict | None = None,
    loss_combination: str = "combine_by_sum",
    val_batch_size: int | None = None,
    val_epoch_length: int | None = None,
    handlers: Sequence[Callable] = (),
    remix: Callable | None = None,
    step: Any | None = None,
    init_from: str | None = None,
    init_strict: bool = True,
    save_every_iterations: int | None = None,
    save_every_epochs: int | None = None,
    skip_nonfinite: int = 0,
    num_data_workers: int = 0,
    num_threads: int | None = None,
    device: str = "auto",
    mixed_precision: str | None = None,
    matmul_precision: str = "highest",
    recompute_blocks: bool = False,
    compile_model: bool = False,
    deterministic: bool = False,
    cudnn_benchmark: bool = False,
    seed: int = 0,
    resume: bool = False,
    may_change: Sequence[str] = MAY_CHANGE,
    rehearse: Callable[[torch.nn.Module, dict], None] | None = None,
    instead: Callable[[Settings], None] | None = None,
) -> Training | None:
    """Trains a separation network; leaves its checkpoints and logs in the run folder.

    Args:
        run: the run to train.
        train_data, val_data: splits; `val_data = None` monitors the training loss instead.
        features: what turns waveforms into the network's input, such as `@SpectrogramFeatures()`.
        loss_dictionary: see `audition.losses`.
        optimizer: reference such as `@torch.optim.Adam`; called with the parameters.
        batch_size: excerpts that go through the network at once.
        num_epochs: epochs in total, including those before a resume.
        model_config: config of a `SeparationModel`, such as `@build_recurrent_chimera()`.
        model: in place of model_config, a network from waveforms `(batch, channel, sample)` to
            `(batch, source, channel, sample)`, such as `@ConvTasNet()`; see `audition.models`.
        epoch_length: iterations per epoch; None goes through the training items once.
        accumulate_batches: batches per iteration, whose gradients are averaged before the optimizer
            steps; it steps as for one batch of `batch_size * accumulate_batches` excerpts, in the
            memory of one of `batch_size`.
        excerpt_frames, excerpt_seconds: length of an excerpt; set one of the two.
        curriculum: dict, epoch → dict of `excerpt_seconds`, `excerpt_frames` and `batch_size` that hold
            from that epoch on, for training alone, until a later epoch changes them; None has the
            same in all epochs.
        val_loss_dictionary: None takes `loss_dictionary`.
        loss_combination: "combine_by_sum" or "combine_by_multiply".
        val_batch_size: None takes `batch_size`.
        val_epoch_length: validation batches per epoch, of items drawn by the seed, the same each
            time; None takes all.
        handlers: list of references such as `@add_autoclip_gradient_handler`, see
            `audition.handlers`.
        remix: remixes the sources of each training batch on the device, such as `@RemixStems()`;
            None leaves the mixtures as they are.
        step: what an iteration does, an instance of a subclass of `audition.training.Step`; None steps
            the optimizer once on the losses of a batch.
        init_from: run folder, checkpoint or model file whose weights to start from; None starts at
            random.
        init_strict: whether they must be those of the same network; False takes what has the same
            name and shape, and says what.
        save_every_iterations: also writes `latest.pth` within an epoch; None only at its end.
        save_every_epochs: keeps `epoch<N>.model.pth` every so many epochs; None keeps none.
        skip_nonfinite: steps in a row that may be left out because a loss or a gradient isn't
            finite; one more ends the training.
        num_data_workers: processes that load excerpts; 0 loads in this one.
        num_threads: CPU threads of PyTorch; None leaves its default.
        device: "auto" takes a GPU if there is one; or "cpu", "cuda", "cuda:1", ….
        mixed_precision: "bfloat16" or "float16" for the network's forward pass; None is float32.
        matmul_precision: of float32 matrix products on a GPU: "highest" is float32, "high" TF32,
            "medium" bfloat16. Evaluation always takes "highest".
        recompute_blocks: keeps only the inputs of the network's `blocks` for the way back, where it
            computes the rest again: less memory, for a forward pass more.
        compile_model: runs the network through `torch.compile`.
        deterministic: takes only algorithms that give the same numbers in each run, on a GPU, too;
            slower, and refused by a few operations.
        cudnn_benchmark: lets cuDNN try its algorithms and take the fastest, for each shape anew.
        seed: of weights, dropout and excerpts.
        resume: continues from `checkpoints/latest.pth` if it exists.
        may_change: names of settings that may be others than those it was begun with, see
            `resume.allow`.
        rehearse: called with the network and what its model file will say, before the first
            epoch; raises a ConfigError for what would fail after the last one.
        instead: called with the settings, and nothing is trained.

    Raises:
        ConfigError: a setting, a data set or a checkpoint that can't be used.
    """
    settings = Settings(**locals())
    manual_seed(seed)
    keep_freed_memory()
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    if instead is not None:
        return instead(settings)
    if run.checkpoint and not resume:
        raise ConfigError(
            f"{run.checkpoint} exists already; run resume to continue from it, or delete "
            f"{run.checkpoints} to start over."
        )
    # not at the top: it takes a third of a second, and no other command needs it
    from torch.utils.tensorboard import SummaryWriter

    with numerics(deterministic, cudnn_benchmark, matmul_precision), ExitStack() as exits:
        training = build(
            settings, exits.enter_context(SummaryWriter(run.logs / timestamp())), exits
        )
        val_loader = None if val_data is None else validation_loader(settings)
        if not run.checkpoint and not (init_from and init_strict):
            let_hear(training, settings)
        if init_from is not None and not run.checkpoint:
            start_from(training.model, init_from, init_strict)
        attach(training, settings, val_loader)
        start = go_on(training, settings) if run.checkpoint else 0
        configs.write_operative(run.operative("train"))
        if rehearse is not None and not is_trained(training, settings, start):
            with checkpoints.random_states_kept():
                rehearse(copy.deepcopy(training.model), training.metadata)
        iterate(training, settings, start, val_loader)
        training.log_scalar(f"best/{training.monitored_name}", training.best)
    log_row(run, {f"best/{training.monitored_name}": training.best})
    return training
