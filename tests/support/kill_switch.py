"""A user's own handler, in a file that a .gin file imports: kills the process when told to."""

import os
import signal

import gin

from audition.training.state import TrainingEvents


@gin.register
def add_kill_switch(training):
    """SIGKILL before the optimizer steps in the iteration of the environment's KILL_AT."""

    def kill(engine):
        if os.environ.get("KILL_AT") == str(engine.state.iteration):
            os.kill(os.getpid(), signal.SIGKILL)

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, kill)
