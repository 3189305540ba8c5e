"""A training: its state, steps, epochs and checkpoints, and the loop that runs them."""

from audition.training.state import Training, TrainingEvents, only_watches
from audition.training.step import Step

__all__ = ["Step", "Training", "TrainingEvents", "only_watches"]
