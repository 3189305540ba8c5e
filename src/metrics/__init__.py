"""Metrics: scores of one track; and the table and report card of a run folder.

To add a metric, write a subclass of Metric with a `score` and bind it in `evaluate.metrics`.
"""

from src.metrics.bss_eval import BSSEvalScale, BSSEvalV4
from src.metrics.masks import PrecisionRecallFScore
from src.metrics.report_card import overall_means, read_results, report_card, score_table
from src.metrics.scores import Metric

__all__ = [
    "BSSEvalScale",
    "BSSEvalV4",
    "Metric",
    "PrecisionRecallFScore",
    "overall_means",
    "read_results",
    "report_card",
    "score_table",
]
