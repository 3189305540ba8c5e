"""A user's own handler and metric, in a file that a .gin file imports: they send signals to the process itself."""

import os
import signal

import gin
from ignite.engine import Events

from audition.metrics import Metric


def send(name="SIGNAL"):
    """The signals that the environment names, one after the other, to the whole process group."""
    for one in os.environ.get(name, "").split():
        os.killpg(0, signal.Signals[one])


@gin.register
def add_signal(training):
    """Sends SIGNAL in the iteration of the environment's AT, or in the validation of its epoch."""

    def in_training(engine):
        if os.environ.get("AT") == str(engine.state.iteration):
            send()

    def in_validation(engine):
        if os.environ.get("VALIDATE_AT") == str(training.trainer.state.epoch):
            send()

    training.trainer.add_event_handler(Events.ITERATION_STARTED, in_training)
    training.validator.add_event_handler(Events.ITERATION_STARTED(once=1), in_validation)


@gin.register
def add_stubborn(training):
    """Never ends the first iteration; sends itself SIGTERM there, and says so."""

    def wait(engine):
        os.kill(os.getpid(), signal.SIGTERM)
        print("interrupted and stubborn", flush=True)
        while True:
            signal.pause()

    training.trainer.add_event_handler(Events.ITERATION_STARTED, wait)


@gin.register
class Signal(Metric):
    """Sends SIGNAL while it scores a track."""

    def score(self, references, estimates, mix):
        send()
        return {name: {"one": [1.0]} for name in references}


@gin.register
def add_rival(training):
    """Another process takes the run over in the second iteration."""

    def rival(engine):
        if engine.state.iteration == 2 and training.first_iteration == 0:
            training.run.lease(2).touch()

    training.trainer.add_event_handler(Events.ITERATION_STARTED, rival)
