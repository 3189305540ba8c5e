"""What a training does besides stepping: each handler is an `add_…(training)` and its small class.

A .gin file lists them: `train.handlers = [@add_autoclip_gradient_handler, @early_stopping]`. They
are attached in that order. A handler that must remember something across restarts passes it to
`training.keep(name, object)`: any object with `state_dict()` and `load_state_dict()`.
"""

from audition.handlers.averages import add_average_of_best, add_ema
from audition.handlers.balance import add_auto_balance_loss
from audition.handlers.budget import add_time_budget
from audition.handlers.examples import add_validation_examples
from audition.handlers.gradients import (
    add_autoclip_gradient_handler,
    add_clip_gradient_handler,
    add_inspect_gradient,
)
from audition.handlers.profiler import add_profiler
from audition.handlers.records import add_record_batch_and_loss_info_handler
from audition.handlers.schedule import (
    add_lr_scheduler_handler,
    early_stopping,
)
from audition.handlers.temperature import add_sinkpit_schedule
from audition.handlers.trackers import add_clearml_logger, add_mlflow_logger, add_wandb_logger

__all__ = [
    "add_auto_balance_loss",
    "add_autoclip_gradient_handler",
    "add_average_of_best",
    "add_clearml_logger",
    "add_clip_gradient_handler",
    "add_ema",
    "add_inspect_gradient",
    "add_lr_scheduler_handler",
    "add_mlflow_logger",
    "add_profiler",
    "add_record_batch_and_loss_info_handler",
    "add_sinkpit_schedule",
    "add_time_budget",
    "add_validation_examples",
    "add_wandb_logger",
    "early_stopping",
]
