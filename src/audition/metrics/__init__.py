"""Metrics: scores of one track.

To add a metric, write a subclass of Metric with a `score` method and bind it in `evaluate.metrics`.
"""

from audition.metrics.bss_eval import BSSEvalScale, BSSEvalV4
from audition.metrics.masks import PrecisionRecallFScore
from audition.metrics.scores import Metric

__all__ = [
    "BSSEvalScale",
    "BSSEvalV4",
    "Metric",
    "PrecisionRecallFScore",
]
