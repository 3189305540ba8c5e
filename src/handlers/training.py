"""What a handler sees of a training."""

from dataclasses import dataclass, field
from typing import Any

import torch
from ignite.engine import Engine, EventEnum

from src.runs import Run


class TrainingEvents(EventEnum):
    """Events of the trainer besides ignite's own."""

    BACKWARD_COMPLETED = "backward_completed"  # gradients are there, the optimizer hasn't stepped
    VALIDATION_COMPLETED = "validation_completed"  # `history` holds this epoch's losses


@dataclass
class Training:
    """One training: its parts, and what it remembers.

    Attributes:
        trainer, validator: ignite engines; an iteration's output is a dict, loss name → float.
            `trainer.state.batch` is the batch, `trainer.state.batch["index"]` its items.
        losses, val_losses: the weighted losses of both.
        history: dict, "train/loss", "validation/loss", … → list with one float per epoch.
        best: lowest monitored loss so far; epochs that improve it write `best.model.pth`.
        sums: dict, loss name → sum over the iterations of the epoch under way.
        kept: dict, name → object whose state survives a restart.
        stopped: True once early stopping ended the training.
        began, first_iteration: when and where this process took up the training.
        bars: ignite progress bars.
        log_scalar: function `(name, value)` that writes to TensorBoard at the current iteration.
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
    history: dict = field(default_factory=dict)
    best: float = float("inf")
    sums: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)
    stopped: bool = False
    began: Any = None
    first_iteration: int = 0
    bars: list = field(default_factory=list)
    log_scalar: Any = None

    def keep(self, name, thing):
        """Stores `thing.state_dict()` in every checkpoint and gives it back after a restart."""
        self.kept[name] = thing

    def monitored(self):
        """The loss that schedulers, early stopping and `best` look at: validation, else train."""
        name = "train/loss" if self.validator is None else "validation/loss"
        return self.history[name][-1]
