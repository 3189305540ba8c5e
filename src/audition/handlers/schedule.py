"""Handlers that act after each validation: learning rate and early stopping."""

from collections.abc import Callable

import gin
from ignite.handlers import EarlyStopping
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ChainedScheduler, ReduceLROnPlateau, SequentialLR

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
    training.keep("lr_scheduler", scheduler)
    plateau = isinstance(scheduler, ReduceLROnPlateau)

    def step(engine):
        scheduler.step(*([training.monitored()] if plateau else []))

    training.trainer.add_event_handler(TrainingEvents.VALIDATION_COMPLETED, step)


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
