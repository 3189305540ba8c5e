"""Handlers that act after each validation: learning rate and early stopping."""

import copy
from collections.abc import Callable
from typing import Any

import gin
from ignite.handlers import EarlyStopping
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)

from audition.errors import ConfigError
from audition.training.state import Training, TrainingEvents


@gin.register
def add_lr_scheduler_handler(training: Training, scheduler: Callable | None) -> None:
    """Steps a learning rate scheduler after each epoch.

    Args:
        scheduler: reference such as `@torch.optim.lr_scheduler.ReduceLROnPlateau`, called with the
            optimizer; ReduceLROnPlateau gets the monitored loss. None keeps the rate constant.
    """
    if scheduler is None:
        return
    scheduler = scheduler(training.optimizer)
    training.keep("lr_scheduler", Schedule(scheduler))
    plateau = isinstance(scheduler, ReduceLROnPlateau)

    def step(engine):
        scheduler.step(*([training.monitored()] if plateau else []))

    training.trainer.add_event_handler(TrainingEvents.VALIDATION_COMPLETED, step)


class Schedule:
    """A scheduler that a checkpoint keeps; restored under other settings, it goes on with those."""

    def __init__(self, scheduler: LRScheduler):
        self.scheduler = scheduler
        self.begun = copy.deepcopy(scheduler.state_dict())

    def state_dict(self) -> dict:
        return {**self.scheduler.state_dict(), "begun": self.begun}

    def load_state_dict(self, state: dict) -> None:
        reached = {key: value for key, value in state.items() if key != "begun"}
        begun = state.get("begun", self.begun)  # versions up to 0.2 didn't write it
        self.scheduler.load_state_dict(moved_on(reached, begun, self.begun))


def moved_on(reached: Any, begun: Any, other: Any) -> Any:
    """Where a scheduler with the state `other` at its beginning is, if one that began as `begun` has
    reached a state."""
    if begun == other:
        return reached
    if type(other) is list and type(begun) is list and len(begun) == len(other):
        return [moved_on(*three) for three in zip(reached, begun, other, strict=True)]
    if type(other) is dict and type(begun) is dict:
        return {
            key: moved_on(reached[key], begun[key], value) if key in begun else value
            for key, value in other.items()
        }
    return other


@gin.register("SequentialLR", module="torch.optim.lr_scheduler")
def sequential(
    optimizer: Optimizer, schedulers: list[Callable], milestones: list[int]
) -> SequentialLR:
    """torch's SequentialLR: one scheduler after another.

    Args:
        optimizer: used by all of them.
        schedulers: list of references, such as `[@LinearLR, @CosineAnnealingLR]`.
        milestones: epochs at which the next one takes over; one fewer than schedulers.
    """
    return SequentialLR(optimizer, [build(optimizer) for build in schedulers], milestones)


@gin.register("ChainedScheduler", module="torch.optim.lr_scheduler")
def chained(optimizer: Optimizer, schedulers: list[Callable]) -> ChainedScheduler:
    """torch's ChainedScheduler: all of them at once, with their factors multiplied.

    Args:
        optimizer: used by all of them.
        schedulers: list of references, such as `[@ConstantLR, @ExponentialLR]`.
    """
    return ChainedScheduler([build(optimizer) for build in schedulers], optimizer)


@gin.register
def early_stopping(training: Training, patience: int = 10, threshold: float = 0.0) -> None:
    """Ends the training after `patience` epochs in a row without a better monitored loss.

    Args:
        patience: epochs.
        threshold: an epoch is better if its loss is lower by more than this.
    """
    if patience < 1:
        raise ConfigError(f"early_stopping.patience = {patience} must be at least 1 epoch.")

    def score(engine):
        return -training.monitored()

    stopper = EarlyStopping(patience, score, training.trainer, threshold=threshold)
    training.keep("early_stopping", stopper)

    def stop(engine):
        stopper(engine)
        training.stopped = bool(engine.should_terminate)

    training.trainer.add_event_handler(TrainingEvents.VALIDATION_COMPLETED, stop)
