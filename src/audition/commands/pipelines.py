"""Several commands in a row: all, resume, debug, bootstrap."""

import logging

import gin
import numpy as np

from audition import configs
from audition.commands.analyze import analyze
from audition.commands.evaluate import evaluate
from audition.commands.train import train
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.runs.folder import Run

log = logging.getLogger(__name__)


def all(run: Run) -> None:
    """Train, evaluate, analyze; the first only if there is a network to train."""
    check_no_bootstrap("all")
    if has_network():
        train(run)
    evaluate(run)
    analyze(run)


def resume(run: Run) -> None:
    """Continue from the latest checkpoint (from the start if there is none), evaluate, analyze."""
    check_no_bootstrap("resume")
    if has_network():
        train(run, resume=True)
    evaluate(run)
    analyze(run)


def check_no_bootstrap(command: str) -> None:
    if configs.raw_binding("bootstrap.rounds") is not None:
        raise ConfigError(
            f"{command} is for a single training, and bootstrap.rounds is bound: run bootstrap, "
            "which also continues where it was stopped."
        )


def has_network() -> bool:
    return configs.raw_binding("train.model_config") is not None


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
    run.latest.unlink(missing_ok=True)  # from an earlier debug
    train(run, train_data=one, val_data=one, num_epochs=1, epoch_length=num_iterations, remix=None)
    evaluate(run, test_data=one, save_audio=True)
    analyze(run)
