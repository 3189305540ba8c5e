"""A training: its state, its step, its epochs, its checkpoints, and the loop that runs them."""

from audition.training.state import Training, TrainingEvents

__all__ = ["Training", "TrainingEvents"]
