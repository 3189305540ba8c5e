"""What a handler sees of a training."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from ignite.engine import Engine, EventEnum

from audition.runs.folder import Run


class TrainingEvents(EventEnum):
    """Events of the trainer besides ignite's own."""

    BACKWARD_COMPLETED = (
        "backward_completed"  # the whole batch's gradients are there, before the step
    )
    VALIDATION_COMPLETED = "validation_completed"  # `history` holds this epoch's losses


@dataclass
class Training:
    """One training: its parts, and what it remembers.

    Attributes:
        trainer, validator: ignite engines; an iteration's output is a dict, loss name → float.
            `trainer.state.batch` is the batch, `trainer.state.batch["index"]` its items. An
            iteration is a step of the optimizer.
        losses, val_losses: the weighted losses of both.
        history: dict, "train/loss", "validation/loss", … → list with one float per epoch.
        accumulate_batches: parts in which a batch goes through the network.
        best: lowest monitored loss so far; epochs that improve it write `best.model.pth`.
        sums: dict, loss name → sum over the iterations of the epoch under way.
        kept: dict, name → object whose state survives a restart.
        stopped: True once early stopping ended the training.
        began, first_iteration: when and where this process took up the training.
        bars: ignite progress bars.
        val_data: validation Split, or None.
        metadata: dict for the model files, see `checkpoints.save_model`.
        writer: TensorBoard's SummaryWriter.
        scalar_logs: functions `(name, value, step)` that `log_scalar` calls.
        exits: what a handler opened and must close when the training ends, however that ends.
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
    history: dict = field(default_factory=dict)
    best: float = float("inf")
    sums: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)
    stopped: bool = False
    began: Any = None
    first_iteration: int = 0
    bars: list = field(default_factory=list)
    val_data: Any = None
    metadata: dict = field(default_factory=dict)
    writer: Any = None
    scalar_logs: list = field(default_factory=list)
    exits: ExitStack = field(default_factory=ExitStack)

    def log_scalar(self, name: str, value: float) -> None:
        """Sends a number to TensorBoard, and to the trackers, at the current iteration."""
        for log in self.scalar_logs:
            log(name, value, self.trainer.state.iteration)

    def keep(self, name: str, thing: Any) -> None:
        """Stores `thing.state_dict()` in every checkpoint and gives it back after a restart."""
        self.kept[name] = thing

    @property
    def monitored_name(self) -> str:
        """The loss that schedulers, early stopping and `best` look at: validation, else train."""
        return "train/loss" if self.validator is None else "validation/loss"

    def monitored(self) -> float:
        """Its value of the last epoch."""
        return self.history[self.monitored_name][-1]
