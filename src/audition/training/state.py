"""The state of a training, as handlers see it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from ignite.engine import Engine, EventEnum

from audition.runs.folder import Run
from audition.training.arrivals import Arrivals


def only_watches(handler: Callable) -> Callable:
    """Decorator of a handler that shapes nothing of the training: it may come and go with `resume`."""
    handler.only_watches = True
    return handler


class TrainingEvents(EventEnum):
    """The trainer's events besides ignite's own."""

    PART_COMPLETED = "part_completed"  # `trainer.state.part` went through network and losses
    BACKWARD_COMPLETED = "backward_completed"  # the batch's gradients are there; before the step
    VALIDATION_COMPLETED = "validation_completed"  # `history` holds this epoch's losses
    TRAINING_COMPLETED = (
        "training_completed"  # after the last epoch; again when a resume finds it so
    )


class Part(NamedTuple):
    """What went through the network at once.

    Attributes:
        index: items, `(batch,)`.
        output: dict of what the network gave.
        data: dict of the features.
    """

    index: torch.Tensor
    output: dict
    data: dict


@dataclass
class Training:
    """One training: its parts and its memory.

    Attributes:
        trainer, validator: ignite engines; the output of an iteration is a dict, loss name → scalar on
            the device: a handler that makes a float of it waits for the device, see `when_known`.
            `trainer.state.batch` is the batch, `trainer.state.batch["index"]` its items. An
            iteration is a step of the optimizer.
        losses, val_losses: the weighted losses of trainer and validator.
        history: dict, "train/loss", "validation/loss", … → list with one float per epoch.
        accumulate_batches: parts in which a batch goes through the network.
        skip_nonfinite: how many steps in a row may be left out because they are not finite.
        skipped_in_row, skipped_in_epoch: steps that were, up to and including the last one.
        best: lowest monitored loss so far; an epoch that improves on it writes `best.model.pth`.
        sums: dict, loss name → sum over the current epoch's iterations, as far as they are known.
        last_losses: dict, loss name → float of the last iteration that is known.
        arrivals: what handlers will be told, see `when_known`.
        kept: dict, name → object whose state survives a restart.
        stopped: True once a handler ended the training, by early stopping or a budget.
        average: network whose weights are averages of the model's, to validate and save in its place,
            or None.
        validate: gives the losses of `judged` on the validation data, a dict; None without such data.
        began, first_iteration: when and at which iteration this process started training.
        bars: ignite progress bars.
        val_data: validation Split, or None.
        metadata: dict for model files, see `checkpoints.save_model`.
        passport: what it is begun with, see `audition.training.passport`.
        writer: TensorBoard's SummaryWriter.
        scalar_logs: functions of `(name, value, step)` that `log_scalar` calls.
        exits: closes what handlers opened when the training ends, for whatever reason.
    """

    run: Run
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    losses: Any
    val_losses: Any
    trainer: Engine
    validator: Engine | None
    device: torch.device
    train_names: list
    accumulate_batches: int = 1
    skip_nonfinite: int = 0
    skipped_in_row: int = 0
    skipped_in_epoch: int = 0
    history: dict = field(default_factory=dict)
    best: float = float("inf")
    sums: dict = field(default_factory=dict)
    last_losses: dict = field(default_factory=dict)
    arrivals: Arrivals = field(default_factory=Arrivals)
    kept: dict = field(default_factory=dict)
    stopped: bool = False
    average: torch.nn.Module | None = None
    validate: Callable[[], dict] | None = None
    began: Any = None
    first_iteration: int = 0
    bars: list = field(default_factory=list)
    val_data: Any = None
    metadata: dict = field(default_factory=dict)
    passport: dict = field(default_factory=dict)
    writer: Any = None
    scalar_logs: list = field(default_factory=list)
    exits: ExitStack = field(default_factory=ExitStack)

    def when_known(self, tensor: torch.Tensor, then: Callable[[np.ndarray], None]) -> None:
        """Calls `then` with the numbers of a tensor on the device, without waiting for them.

        That is in the next iteration before its step, or at the end of the epoch, or before the next
        checkpoint, in the order of asking.
        """
        self.arrivals.ask(tensor, then, self.trainer.state.iteration)

    def log_scalar(self, name: str, value: float | torch.Tensor) -> None:
        """Sends a number to TensorBoard and the trackers, at the current iteration.

        Those of a tensor are sent once they are known; what comes after them waits for its turn.
        """
        iteration = self.trainer.state.iteration
        if isinstance(value, torch.Tensor):
            self.when_known(value, lambda number: self.send_scalar(name, number.item(), iteration))
        elif self.arrivals:
            self.arrivals.queue(lambda: self.send_scalar(name, value, iteration), iteration)
        else:
            self.send_scalar(name, value, iteration)

    def send_scalar(self, name: str, value: float, iteration: int) -> None:
        for log in self.scalar_logs:
            log(name, value, iteration)

    def keep(self, name: str, thing: Any) -> None:
        """Stores `thing.state_dict()` in every checkpoint, and restores it after a restart."""
        self.kept[name] = thing

    @property
    def judged(self) -> torch.nn.Module:
        """The network that is validated and saved: an average of the weights if there is one."""
        return self.model if self.average is None else self.average

    @property
    def monitored_name(self) -> str:
        """The loss that schedulers, early stopping and `best` use: validation's if there is one."""
        return "train/loss" if self.validator is None else "validation/loss"

    def monitored(self) -> float:
        """The monitored loss of the last epoch."""
        return self.history[self.monitored_name][-1]
