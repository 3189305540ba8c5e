"""What a training does besides stepping: each handler is one `add_…(training)` and its small class.

A .gin file lists them: `train.handlers = [@add_autoclip_gradient_handler, @early_stopping]`. They
are attached in that order. What one must remember across a restart it gives to
`training.keep(name, object)`, any object with `state_dict()` and `load_state_dict()`.
"""

from src.handlers.balance import add_auto_balance_loss
from src.handlers.epochs import attach_bookkeeping, attach_reports, attach_saving, close_bars
from src.handlers.examples import add_validation_examples
from src.handlers.gradients import (
    add_autoclip_gradient_handler,
    add_clip_gradient_handler,
    add_inspect_gradient,
)
from src.handlers.records import add_record_batch_and_loss_info_handler
from src.handlers.schedule import add_lr_scheduler_handler, early_stopping
from src.handlers.trackers import add_clearml_logger, add_mlflow_logger, add_wandb_logger
from src.handlers.training import Training, TrainingEvents

__all__ = [
    "Training",
    "TrainingEvents",
    "add_auto_balance_loss",
    "add_autoclip_gradient_handler",
    "add_clearml_logger",
    "add_clip_gradient_handler",
    "add_inspect_gradient",
    "add_lr_scheduler_handler",
    "add_mlflow_logger",
    "add_record_batch_and_loss_info_handler",
    "add_validation_examples",
    "add_wandb_logger",
    "attach_bookkeeping",
    "attach_reports",
    "attach_saving",
    "close_bars",
    "early_stopping",
]
