"""Train the network of a run folder."""

import logging
import math
from contextlib import ExitStack
from types import SimpleNamespace

import gin
import nussl
import torch
from ignite.utils import manual_seed

from src import checkpoints, configs
from src.datasets.excerpts import EpochBatches
from src.datasets.loaders import each_item_once, make_loader, stop_workers
from src.errors import ConfigError
from src.handlers import (
    Training,
    TrainingEvents,
    attach_bookkeeping,
    attach_reports,
    attach_saving,
    close_bars,
)
from src.handlers.steps import Forward, make_engine, train_step, val_step
from src.hparams import log_row
from src.journal import timestamp
from src.losses import Losses
from src.memory import keep_freed_memory
from src.separators import choose_device

log = logging.getLogger(__name__)


@gin.configurable(denylist=["run", "resume"])
def train(
    run,
    train_data=gin.REQUIRED,
    val_data=gin.REQUIRED,
    features=gin.REQUIRED,
    model_config=gin.REQUIRED,
    loss_dictionary=gin.REQUIRED,
    optimizer=gin.REQUIRED,
    batch_size=gin.REQUIRED,
    num_epochs=gin.REQUIRED,
    epoch_length=None,
    excerpt_frames=None,
    excerpt_seconds=None,
    val_loss_dictionary=None,
    loss_combination="combine_by_sum",
    val_batch_size=None,
    handlers=(),
    remix=None,
    init_from=None,
    save_every_iterations=None,
    save_every_epochs=None,
    num_data_workers=0,
    num_threads=None,
    device="auto",
    mixed_precision=None,
    compile_model=False,
    seed=0,
    resume=False,
):
    """Trains a separation network; leaves its checkpoints and logs in the run folder.

    Args:
        run: Run.
        train_data, val_data: Corpora; `val_data = None` monitors the training loss instead.
        features: what turns waveforms into the network's input, such as `@SpectrogramFeatures()`.
        model_config: config of a `SeparationModel`, such as `@build_recurrent_chimera()`.
        loss_dictionary: see `src.losses`.
        optimizer: reference such as `@torch.optim.Adam`; called with the parameters.
        batch_size: excerpts per iteration.
        num_epochs: epochs in all, those before a resume included.
        epoch_length: iterations per epoch; None is once through the training items.
        excerpt_frames, excerpt_seconds: length of an excerpt; give one of the two.
        val_loss_dictionary: None takes `loss_dictionary`.
        loss_combination: "combine_by_sum" or "combine_by_multiply".
        val_batch_size: None takes `batch_size`.
        handlers: list of references such as `@add_autoclip_gradient_handler`, see `src.handlers`.
        remix: mixes the sources of each training batch anew on the device, such as
            `@RemixStems()`; None leaves the mixtures as they are.
        init_from: run folder, or model file, whose weights to start from; None starts at random.
        save_every_iterations: also write `latest.pth` within an epoch; None: at its end only.
        save_every_epochs: keep `epoch<N>.model.pth` every so many epochs; None keeps none.
        num_data_workers: processes that load excerpts; 0 loads in this one.
        num_threads: CPU threads of PyTorch; None leaves its default.
        device: "auto" takes a GPU where there is one; else "cpu", "cuda", "cuda:1", ….
        mixed_precision: "bfloat16" or "float16" for the network's forward pass; None is float32.
        compile_model: run the network through `torch.compile`.
        seed: of weights, dropout and excerpts.
        resume: go on from `checkpoints/latest.pth` where there is one.

    Raises:
        ConfigError: a setting, a data set or a checkpoint that can't be used.
    """
    settings = SimpleNamespace(**locals())
    check(settings)
    manual_seed(seed)
    keep_freed_memory()
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    latest = run.checkpoints / "latest.pth"
    if latest.exists() and not resume:
        raise ConfigError(
            f"{latest} exists already; resume goes on from it, or delete {run.checkpoints} to "
            "train anew."
        )
    # here, not at the top: a third of a second that no other command needs
    from torch.utils.tensorboard import SummaryWriter

    with ExitStack() as exits:
        training = build(
            settings, exits.enter_context(SummaryWriter(run.logs / timestamp())), exits
        )
        val_loader = None if val_data is None else validation_loader(settings)
        attach(training, settings, val_loader)
        start = 0
        if latest.exists():
            start = go_on(training, settings, latest)
        elif init_from is not None:
            checkpoints.start_from(training.model, init_from)
        configs.write_operative(run.operative("train"))
        iterate(training, settings, start, val_loader)
        training.log_scalar(f"best/{training.monitored_name}", training.best)
    log_row(run, {f"best/{training.monitored_name}": training.best})
    return training


def check(settings):
    for name in ("batch_size", "num_epochs", "epoch_length", "val_batch_size"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ConfigError(f"train.{name} = {value} must be at least 1.")
    if settings.num_data_workers < 0:
        raise ConfigError(
            f"train.num_data_workers = {settings.num_data_workers} must be at least 0, which loads "
            "in the training's own process."
        )
    if (settings.excerpt_frames is None) == (settings.excerpt_seconds is None):
        raise ConfigError("Bind one of train.excerpt_frames and train.excerpt_seconds, not both.")
    if settings.excerpt_seconds is None and not hasattr(settings.features, "num_samples"):
        raise ConfigError(
            f"{type(settings.features).__name__} has no frames; bind train.excerpt_seconds in place "
            "of train.excerpt_frames."
        )
    if settings.mixed_precision not in (None, "bfloat16", "float16"):
        raise ConfigError(
            f"train.mixed_precision = {settings.mixed_precision!r} must be None, 'bfloat16' or "
            "'float16'."
        )
    for name in ("train_data", "val_data"):
        data = getattr(settings, name)
        if data is not None and data.sample_rate != settings.train_data.sample_rate:
            raise ConfigError(
                f"train.{name} has a sample rate of {data.sample_rate} Hz, train.train_data of "
                f"{settings.train_data.sample_rate} Hz; they must agree."
            )


def attach(training, settings, val_loader):
    """The user's handlers find the epoch's history filled; checkpoints hold what they did."""
    attach_bookkeeping(training, val_loader)
    for handler in settings.handlers:
        handler(training)
    attach_reports(training)
    attach_saving(training, settings.save_every_iterations, settings.save_every_epochs)


def build(settings, writer, exits):
    """The Training: model, optimizer, engines, losses; nothing attached yet."""
    device = choose_device(settings.device)
    if device.type == "cpu" and settings.mixed_precision == "float16":
        raise ConfigError(
            "train.mixed_precision = 'float16' needs a GPU, and here is none; bind 'bfloat16' or None."
        )
    model = nussl.ml.SeparationModel(settings.model_config).to(device)
    training = Training(
        run=settings.run,
        model=model,
        optimizer=settings.optimizer(model.parameters()),
        scaler=torch.amp.GradScaler(device.type, enabled=settings.mixed_precision == "float16"),
        losses=Losses(settings.loss_dictionary, settings.loss_combination),
        val_losses=Losses(
            settings.val_loss_dictionary or settings.loss_dictionary,
            settings.loss_combination,
            "val_loss_dictionary",
        ),
        trainer=None,
        validator=None,
        device=device,
        train_names=settings.train_data.names,
        val_data=settings.val_data,
        metadata=model_metadata(settings),
        writer=writer,
        scalar_logs=[writer.add_scalar],
        exits=exits,
    )
    network = torch.compile(model) if settings.compile_model else model
    forward = Forward(network, settings.features, device, settings.mixed_precision, settings.remix)
    training.trainer = make_engine(lambda engine, batch: train_step(training, forward, batch))
    training.trainer.register_events(*TrainingEvents)
    if settings.val_data is not None:
        training.validator = make_engine(lambda engine, batch: val_step(training, forward, batch))
    log.info("%s", model)
    log.info("Training on %s.", device)
    return training


def model_metadata(settings):
    """What nussl's deep separators ask of a model file."""
    data = settings.train_data
    return {
        "stft_params": getattr(settings.features, "stft_params", data.stft_params),
        "sample_rate": data.sample_rate,
        "num_channels": data.num_channels,
        "train_dataset": {
            "name": type(data.dataset).__name__,
            "transforms": settings.features.nussl_transform(),
        },
        "source_names": list(data.source_names),
    }


def excerpt_samples(settings):
    if settings.excerpt_seconds is not None:
        return round(settings.excerpt_seconds * settings.train_data.sample_rate)
    return settings.features.num_samples(settings.excerpt_frames)


def load(settings, data, batches):
    return make_loader(
        data, batches, excerpt_samples(settings), settings.seed, settings.num_data_workers
    )


def validation_loader(settings):
    batches = each_item_once(settings.val_data, settings.val_batch_size or settings.batch_size)
    return load(settings, settings.val_data, batches)


def iterations_per_epoch(settings):
    return settings.epoch_length or max(len(settings.train_data) // settings.batch_size, 1)


def go_on(training, settings, latest):
    """Loads the latest checkpoint and puts the trainer where it was.

    Returns:
        iterations done so far.
    """
    epoch_length = iterations_per_epoch(settings)
    iteration = checkpoints.load(training, latest, epoch_length)
    training.trainer.load_state_dict(
        {
            "iteration": iteration,
            "epoch_length": epoch_length,
            "max_epochs": max(settings.num_epochs, math.ceil(iteration / epoch_length)),
        }
    )
    log.info("Going on from iteration %d, epoch %d.", iteration, iteration // epoch_length)
    return iteration


def iterate(training, settings, start, val_loader):
    """Runs the engine to the last epoch."""
    epoch_length = iterations_per_epoch(settings)
    if training.stopped or start >= settings.num_epochs * epoch_length:
        log.info("This run is trained already.")
        return
    batches = EpochBatches(
        batch_size=settings.batch_size,
        epoch_length=epoch_length,
        start_iteration=start,
        num_epochs=settings.num_epochs,
    )
    loader = load(settings, settings.train_data, batches)
    try:
        training.trainer.run(loader, max_epochs=settings.num_epochs, epoch_length=epoch_length)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ConfigError(
            "A data worker died; if memory is short, lower train.num_data_workers or "
            "train.batch_size, then resume from the last checkpoint."
        ) from error
    finally:
        close_bars(training)
        stop_workers(loader)
        stop_workers(val_loader)
