"""Several commands in a row: all, resume, debug."""

import gin
import numpy as np

from src.commands.analyze import analyze
from src.commands.evaluate import evaluate
from src.commands.train import train
from src.runs import Run


def all(run):
    """Train, evaluate, analyze."""
    train(run)
    evaluate(run)
    analyze(run)


def resume(run):
    """Go on from the latest checkpoint (from the start where there is none), evaluate, analyze."""
    train(run, resume=True)
    evaluate(run)
    analyze(run)


@gin.configurable(denylist=["run"])
def debug(run, data=gin.REQUIRED, num_iterations=1000, item=None, seed=0):
    """Overfits one item, evaluates on that same item and keeps its audio, in `<run>/debug`.

    A network and losses that can't overfit one item won't learn from many.

    Args:
        data: Corpus to take the item from.
        num_iterations: of the single epoch.
        item: index in `data`; None draws one with `seed`.
    """
    if item is None:
        item = int(np.random.default_rng(seed).integers(len(data)))
    one = data.only([item])
    run = Run(run.folder / "debug" / one.names[0])
    (run.checkpoints / "latest.pth").unlink(missing_ok=True)  # of an earlier debug
    train(run, train_data=one, val_data=one, num_epochs=1, epoch_length=num_iterations, remix=None)
    evaluate(run, test_data=one, save_audio=True)
    analyze(run)
