"""A training: its state, steps, epochs and checkpoints, and the loop that runs them."""

from audition.training.state import Training, TrainingEvents, only_watches

__all__ = ["Training", "TrainingEvents", "only_watches"]
