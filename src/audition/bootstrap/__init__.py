"""Learning without ground truth: confidence, segments, the choice of segments, rounds."""

from audition.bootstrap import selection
from audition.bootstrap.confidence import MEASURES, Measured, Taught, Teacher

__all__ = ["MEASURES", "Measured", "Taught", "Teacher", "selection"]
