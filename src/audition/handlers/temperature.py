"""How hard the soft assignments of a training are."""

import gin
from ignite.engine import Events

from audition.errors import ConfigError
from audition.training.state import Training


@gin.register
def add_sinkpit_schedule(
    training: Training, start: float = 1.0, factor: float = 1.02, most: float = 10.0
) -> None:
    """Raises the inverse temperature of every SinkPITLoss in train.loss_dictionary.

    In epoch e, from 1, it is `start * factor ** (e - 1)`, and `most` at most; the defaults are
    asteroid's. As it depends on the epoch alone, a training that is taken up again finds it as it was.
    """
    soft = [module for module in training.losses.modules if hasattr(module, "beta")]
    if not soft:
        raise ConfigError(
            "add_sinkpit_schedule needs a SinkPITLoss in train.loss_dictionary; add one, or take the "
            "handler out of train.handlers."
        )

    def cool(engine):
        beta = min(start * factor ** (engine.state.epoch - 1), most)
        for module in soft:
            module.beta.fill_(beta)
        training.log_scalar("sinkpit_beta", beta)

    training.trainer.add_event_handler(Events.ITERATION_STARTED, cool)
