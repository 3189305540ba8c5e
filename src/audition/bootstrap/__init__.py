"""Learning without ground truth: confidence, segments, their selection, and rounds."""

from audition.bootstrap import selection
from audition.bootstrap.confidence import MEASURES, Teacher, confidence_of

__all__ = ["MEASURES", "Teacher", "confidence_of", "selection"]
