"""Commands that call train and others: all, resume, debug, replay."""

import contextlib
import functools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import gin
import numpy as np
import torch

from audition import configs
from audition.commands.analyze import analyze
from audition.commands.evaluate import evaluate
from audition.commands.train import train
from audition.datasets.split import Split
from audition.errors import ConfigError, sentence
from audition.runs.folder import Run
from audition.training.passport import MAY_CHANGE
from audition.training.replay import replay_step

log = logging.getLogger(__name__)


def all(run: Run) -> None:
    """Train, evaluate, analyze; the first only if there is a network to train."""
    check_no_bootstrap("all")
    train_evaluate_analyze(run)


@gin.configurable(denylist=["run"])
def resume(run: Run, allow: Sequence[str] = MAY_CHANGE) -> None:
    """Continue from the latest checkpoint (from the start if there is none), evaluate, analyze.

    The training must be what it was begun with: the same data, features, network, losses, optimizer
    and handlers, with the same settings. Device, workers, how often to save, and handlers that only
    watch may change.

    Args:
        allow: what else may change: names of bindings, or parts of them up to a dot
            (`'torch.optim.Adam.lr'`, `'train.handlers'`). What `train` knows by a name stands for all
            that it depends on, so the default allows a longer training with another schedule.

    Raises:
        ConfigError: a setting that is not allowed to differs from the checkpoint's.
    """
    check_no_bootstrap("resume")
    train_evaluate_analyze(run, resume=True, may_change=allow)


def train_evaluate_analyze(run: Run, **how: Any) -> None:
    if not configs.has_network():
        evaluate(run)
    else:
        train(run, **how, rehearse=functools.partial(rehearse_evaluation, run))
        with reassured():
            evaluate(run)
    analyze(run)


def rehearse_evaluation(run: Run, model: torch.nn.Module, metadata: dict) -> None:
    """Raises ConfigError, before the first epoch, for what evaluate would refuse after the last."""
    try:
        evaluate(run, network=(model, metadata))
    except ConfigError as error:
        raise ConfigError(
            f"{ended(error)}; evaluate would end like this once the network is trained, so mend it "
            "first, or run train alone."
        ) from error


@contextlib.contextmanager
def reassured() -> Iterator[None]:
    """Adds to a mistake that the training before it isn't lost."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            f"{ended(error)}; the network is trained, and resume goes on from here without training "
            "again."
        ) from error


def ended(error: ConfigError) -> str:
    return sentence(error).removesuffix(".")


def check_no_bootstrap(command: str) -> None:
    if configs.raw_binding("bootstrap.rounds") is not None:
        raise ConfigError(
            f"{command} is for a single training, and bootstrap.rounds is bound: run bootstrap, "
            "which also continues where it was stopped."
        )


@gin.configurable(denylist=["run"])
def debug(
    run: Run,
    data: Split = gin.REQUIRED,
    num_iterations: int = 1000,
    item: int | None = None,
    seed: int = 0,
) -> None:
    """Overfits one item, evaluates on that item and keeps its audio, in `<run>/debug`.

    A network and losses that can't overfit one item won't learn from many.

    Args:
        data: where the item is taken from.
        num_iterations: of the single epoch.
        item: index in `data`; None draws one at random.
        seed: of that draw.
    """
    if item is None:
        item = int(np.random.default_rng(seed).integers(len(data)))
    one = data.only([item])
    run = Run(run.debug / one.names[0])
    for path in (run.latest, run.previous):  # from an earlier debug
        path.unlink(missing_ok=True)
    train(run, train_data=one, val_data=one, num_epochs=1, epoch_length=num_iterations, remix=None)
    evaluate(run, test_data=one, save_audio=True)
    analyze(run)


def replay(run: Run) -> None:
    """Does the step in `<run>/black_box` again, and names what made it other than finite.

    That is the first step, of the last training that met one, whose loss or gradient was not finite.
    Prints the item, the layer and the operation.
    """
    train(run, instead=replay_step)
