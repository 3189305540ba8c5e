"""Averages of weights: over the iterations, and over the best epochs."""

import copy
import logging

import gin
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler

from audition import weights
from audition.errors import ConfigError
from audition.training import Training, TrainingEvents, checkpoints

log = logging.getLogger(__name__)


@gin.register
def add_ema(training: Training, decay: float = 0.999) -> None:
    """Validates and saves the exponential moving average of the weights, in place of the last ones.

    After each iteration, `average = decay × average + (1 - decay) × weights`; in iteration n the decay
    is at most (1 + n) / (10 + n), so that the weights at the beginning are soon forgotten. Buffers,
    such as those of batch normalisation, are the network's. All model files hold the average and say
    so; checkpoints hold both, and the optimizer goes on with the weights themselves.

    Args:
        decay: 0 to 1; the average is over about the last 1 / (1 - decay) iterations.

    Raises:
        ConfigError: `decay` is not between 0 and 1.
    """
    if not 0 < decay < 1:
        raise ConfigError(f"add_ema.decay = {decay} must lie between 0 and 1.")
    ema = EMAHandler(training.model, momentum=1 - decay)
    training.average = ema.ema_model
    training.metadata["weights"] = f"exponential moving average, decay {decay:g}"
    training.keep("ema", ema.ema_model)

    def warm_up(engine):
        engine.state.ema_momentum = max(1 - decay, 9 / (10 + engine.state.iteration))

    training.trainer.add_event_handler(Events.ITERATION_STARTED, warm_up)
    ema.attach(training.trainer)
    log.info("Validated and saved are the weights' %s.", training.metadata["weights"])


@gin.register
def add_average_of_best(training: Training, num_epochs: int = 10) -> None:
    """Averages the weights of the epochs with the lowest monitored losses, once all is trained.

    ESPnet and SpeechBrain evaluate such an average by default. Here it is a model file beside the best
    one, `checkpoints/average.model.pth`, which a separator's `model_path` may name; its validation
    losses are logged. Until then `checkpoints/best_epochs` holds those epochs. Numbers that are not
    floats, such as those that batch normalisation counts, are those of the best epoch.

    Args:
        num_epochs: how many, at most.

    Raises:
        ConfigError: `num_epochs` is not at least 1.
    """
    if num_epochs < 1:
        raise ConfigError(f"add_average_of_best.num_epochs = {num_epochs} must be at least 1.")
    best = BestEpochs(training, num_epochs)
    training.keep("best_epochs", best)
    trainer = training.trainer
    trainer.add_event_handler(TrainingEvents.VALIDATION_COMPLETED, best.add)
    trainer.add_event_handler(Events.EPOCH_STARTED, best.tidy)
    trainer.add_event_handler(TrainingEvents.TRAINING_COMPLETED, best.average)


class BestEpochs:
    """The epochs with the lowest monitored losses so far, each with its model file.

    Attributes:
        losses: dict, epoch → monitored loss, lowest first.
    """

    def __init__(self, training: Training, num_epochs: int):
        self.training = training
        self.num_epochs = num_epochs
        self.losses = {}

    def add(self, engine: Engine) -> None:
        epoch, training = engine.state.epoch, self.training
        known = {**self.losses, epoch: training.monitored()}
        best = sorted(known, key=lambda one: (known[one], one))[: self.num_epochs]
        self.losses = {one: known[one] for one in best}
        if epoch in best:
            path = training.run.best_epoch_model(epoch)
            checkpoints.save_model(training.judged, training.metadata, path)

    def tidy(self, engine: Engine) -> None:
        """Removes the files of other epochs, once a checkpoint holds which they are."""
        run = self.training.run
        others = {*run.best_epochs.glob("*")} - {*map(run.best_epoch_model, self.losses)}
        for path in others:
            path.unlink()

    def average(self, engine: Engine) -> None:
        self.tidy(engine)
        training, run = self.training, self.training.run
        missing = [path for path in map(run.best_epoch_model, self.losses) if not path.is_file()]
        if missing:
            log.warning("%s is gone, so %s is left as it is", missing[0], run.average_model)
            return
        model = copy.deepcopy(training.judged)
        model.load_state_dict(self.mean())
        losses = self.validated(model)
        name = f"mean of the epochs {', '.join(map(str, sorted(self.losses)))}"
        about = {"weights": name, "losses": losses}
        checkpoints.save_model(model, {**training.metadata, **about}, run.average_model)
        of_average = f"{losses['loss']:.5g}" if losses else "not known without train.val_data"
        of_best = min(self.losses.values())
        log.info("%s holds the %s.", run.average_model, name)
        log.info("Its validation loss is %s; that of the best epoch %.5g.", of_average, of_best)

    def mean(self) -> dict[str, torch.Tensor]:
        states = [
            weights.read(self.training.run.best_epoch_model(one)).tensors for one in self.losses
        ]

        def of(name, first):
            if not first.is_floating_point():
                return first
            return torch.stack([one[name].double() for one in states]).mean(dim=0).to(first.dtype)

        return {name: of(name, first) for name, first in states[0].items()}

    def validated(self, model: torch.nn.Module) -> dict[str, float]:
        """The model's validation losses; {} without validation data."""
        training, former = self.training, self.training.average
        if training.validate is None:
            return {}
        training.average = model
        try:
            with checkpoints.random_states_kept():
                return training.validate()
        finally:
            training.average = former

    def state_dict(self) -> dict:
        return {"losses": self.losses}

    def load_state_dict(self, state: dict) -> None:
        self.losses = state["losses"]
