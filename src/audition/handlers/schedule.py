"""Handlers of the learning rate, and the one that stops where nothing gets better."""

import copy
import math
from collections.abc import Callable
from typing import Any

import gin
from ignite.engine import Events
from ignite.handlers import EarlyStopping
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    LambdaLR,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)

from audition.errors import ConfigError
from audition.training.state import Training, TrainingEvents


@gin.register
def add_lr_scheduler_handler(
    training: Training, scheduler: Callable | None, per: str = "epoch"
) -> None:
    """Steps a learning rate scheduler after each epoch or each iteration.

    Args:
        scheduler: reference such as `@torch.optim.lr_scheduler.ReduceLROnPlateau`, called with the
            optimizer; ReduceLROnPlateau gets the monitored loss. None keeps the rate constant.
        per: "epoch" or "iteration", which is what the scheduler then counts in. The rate of each
            iteration is logged as `iteration/learning_rate`.

    Raises:
        ConfigError: `per` is neither, the scheduler can't step so, or it ends before the training.
    """
    if per not in ("epoch", "iteration"):
        raise ConfigError(f"add_lr_scheduler_handler.per = {per!r} must be 'epoch' or 'iteration'.")
    if scheduler is None:
        return
    scheduler = made(scheduler, training.optimizer)
    training.keep("lr_scheduler", Schedule(scheduler))
    if per == "iteration":
        step_each_iteration(training, scheduler)
    else:
        step_each_epoch(training, scheduler)


def made(reference: Callable, optimizer: Optimizer) -> LRScheduler:
    try:
        return reference(optimizer)
    except ValueError as error:  # torch raises it for settings that it doesn't accept
        reason = str(error).rstrip(".")
        raise ConfigError(
            f"add_lr_scheduler_handler.scheduler can't be built ({reason}); bind other settings."
        ) from error


def step_each_epoch(training: Training, scheduler: LRScheduler) -> None:
    plateau = isinstance(scheduler, ReduceLROnPlateau)

    def step(engine):
        scheduler.step(*([training.monitored()] if plateau else []))

    training.trainer.add_event_handler(TrainingEvents.VALIDATION_COMPLETED, step)


def step_each_iteration(training: Training, scheduler: LRScheduler) -> None:
    if isinstance(scheduler, ReduceLROnPlateau):
        raise ConfigError(
            "ReduceLROnPlateau waits for the validation: bind add_lr_scheduler_handler.per = 'epoch'."
        )

    def step(engine):
        training.log_scalar("iteration/learning_rate", scheduler.get_last_lr()[0])
        try:
            scheduler.step()
        except ValueError as error:  # of OneCycleLR after its last step
            raise ConfigError(
                f"add_lr_scheduler_handler.scheduler is at its end in iteration "
                f"{engine.state.iteration}, and the training is not; give it as many steps as there "
                "are iterations."
            ) from error

    training.trainer.add_event_handler(Events.ITERATION_COMPLETED, step)


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
    """torch's SequentialLR: one scheduler after another, such as a LinearLR as warm-up and any other.

    Args:
        optimizer: used by all of them.
        schedulers: list of references, such as `[@LinearLR, @CosineAnnealingLR]`.
        milestones: steps at which the next one takes over; one fewer than schedulers.
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


@gin.register("NoamLR")
def noam(optimizer: Optimizer, warmup_steps: int) -> LambdaLR:
    """The rate rises linearly for `warmup_steps`, then falls with the square root of the steps.

    Vaswani et al., "Attention is all you need", NeurIPS 2017, as ESPnet (`WarmupLR`) and SpeechBrain
    have it: the optimizer's rate is that of the peak.
    """
    check_steps("NoamLR.warmup_steps", warmup_steps)
    return LambdaLR(optimizer, Noam(warmup_steps))


class Noam:
    """Step, from 0 → factor of the rate. Its attributes are part of the scheduler's state."""

    def __init__(self, warmup_steps: int):
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        share = (step + 1) / self.warmup_steps
        return min(share, share**-0.5)


@gin.register("WarmupCosineLR")
def warmup_cosine(
    optimizer: Optimizer, warmup_steps: int, total_steps: int, final_factor: float = 0.0
) -> LambdaLR:
    """The rate rises linearly for `warmup_steps`, then falls along half a cosine.

    Args:
        optimizer: its rate is that of the peak.
        warmup_steps: steps until the peak.
        total_steps: steps until the end, those of the warm-up included; the rate then stays.
        final_factor: rate at the end, relative to the peak.
    """
    check_steps("WarmupCosineLR.warmup_steps", warmup_steps)
    if total_steps <= warmup_steps:
        raise ConfigError(
            f"WarmupCosineLR.total_steps = {total_steps} must be more than warmup_steps = "
            f"{warmup_steps}."
        )
    return LambdaLR(optimizer, WarmupCosine(warmup_steps, total_steps, final_factor))


class WarmupCosine:
    """Step, from 0 → factor of the rate. Its attributes are part of the scheduler's state."""

    def __init__(self, warmup_steps: int, total_steps: int, final_factor: float):
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.final_factor = final_factor

    def __call__(self, step: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        share = min((step - self.warmup_steps) / (self.total_steps - self.warmup_steps), 1.0)
        return self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * share)) / 2


def check_steps(binding: str, steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"{binding} = {steps} must be at least 1 step.")


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
