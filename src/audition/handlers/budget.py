"""A training that ends after so much time, so that networks can be compared at equal cost."""

import logging
import time

import gin
from ignite.engine import Engine, Events

from audition.errors import ConfigError
from audition.training.state import Training

log = logging.getLogger(__name__)


@gin.register
def add_time_budget(training: Training, seconds: float, decay_share: float = 0.25) -> None:
    """Ends the training once its iterations have taken `seconds`; the learning rate falls to 0 by then.

    On a CPU these are seconds of processor time, which all threads of this process add up to: what else
    the machine does hardly counts. On a GPU they are seconds of the clock. What counts is loading
    the batches in this process (not in data workers), features, network, losses and the optimizer's
    step, and the handlers attached before this one. The validation, checkpoints, and everything else at
    the end of an epoch don't count. What a killed process did after its last checkpoint doesn't
    either, as it is done again. The epoch in which the budget ends is cut short, then validated.

    Bind `train.num_epochs` so high that it isn't what ends the training; a warning says if it was. A
    training that its budget ended is not taken up again with a larger one.

    Args:
        seconds: the budget.
        decay_share: 0 to 1; over this last share of the budget the learning rate falls linearly to 0,
            before it stays as the optimizer has it. 0 leaves the rate to other handlers.

    Raises:
        ConfigError: a number out of range, or another handler that sets the learning rate.
    """
    if seconds <= 0 or not 0 <= decay_share <= 1:
        raise ConfigError(
            f"add_time_budget.seconds = {seconds} must be above 0, and decay_share = {decay_share} "
            "from 0 to 1."
        )
    budget = Budget(training, seconds, decay_share)
    training.keep("time_budget", budget)
    trainer = training.trainer
    trainer.add_event_handler(Events.STARTED, budget.check_rate)
    trainer.add_event_handler(Events.GET_BATCH_STARTED, budget.start)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, budget.stop)
    trainer.add_event_handler(Events.COMPLETED, budget.report)


class Budget:
    """How much has been spent.

    Attributes:
        spent: seconds.
    """

    def __init__(self, training: Training, seconds: float, decay_share: float):
        self.training = training
        self.seconds = seconds
        self.decay_share = decay_share
        self.spent = 0.0
        self.started = None
        self.clock = time.process_time if training.device.type == "cpu" else time.perf_counter
        self.rates = [group["lr"] for group in training.optimizer.param_groups]

    def check_rate(self, engine: Engine) -> None:
        if self.decay_share and "lr_scheduler" in self.training.kept:
            raise ConfigError(
                "add_time_budget and add_lr_scheduler_handler both set the learning rate: take one "
                "out of train.handlers, or bind add_time_budget.decay_share = 0."
            )
        self.set_rate()

    def start(self, engine: Engine) -> None:
        self.started = self.clock()

    def stop(self, engine: Engine) -> None:
        self.spent += self.clock() - self.started
        self.set_rate()
        self.training.log_scalar("seconds_spent", self.spent)
        if self.spent >= self.seconds:
            self.training.stopped = True
            engine.terminate()

    def set_rate(self) -> None:
        if self.decay_share:
            left = max(1 - self.spent / self.seconds, 0)
            factor = min(left / self.decay_share, 1)
            for group, rate in zip(self.training.optimizer.param_groups, self.rates, strict=True):
                group["lr"] = rate * factor

    def report(self, engine: Engine) -> None:
        told = log.info if self.spent >= self.seconds else log.warning
        told(
            "%.1f s of add_time_budget.seconds = %g are spent, after %d iterations.",
            self.spent,
            self.seconds,
            engine.state.iteration,
        )

    def state_dict(self) -> dict:
        return {"spent": self.spent}

    def load_state_dict(self, state: dict) -> None:
        self.spent = state["spent"]
