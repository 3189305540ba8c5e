"""How version 0.1 scored silent estimates, and which of its results can't be trusted for that."""

import numpy as np

from audition.metrics.scores import FLOOR_DB

RATIOS = ("SI-SDR", "SI-SIR", "SI-SAR", "SD-SDR", "SNR", "SRR", "SDR", "ISR", "SIR", "SAR")


def leaves_open(scores: dict, metadata: dict) -> bool:
    """Whether a result may have left out a silent estimate: a score is NaN, or below the floor.

    Version 0.1 wrote NaN for silent sources and silent estimates alike. If the scores show that it
    was the source, or that nothing was silent, they are what they would be today.

    Args:
        scores: dict, source → score → list of float.
        metadata: the result's metadata; today's names the silent estimates.
    """
    return "silent_estimates" not in metadata and any(map(is_open, scores.values()))


def is_open(columns: dict[str, list[float]]) -> bool:
    def values(name):
        return np.array(columns.get(name, []), dtype=float)

    if {"SI-SDR", "SNR"} <= set(columns):  # NaN in both: a silent source
        if (np.isnan(values("SI-SDR")) & ~np.isnan(values("SNR"))).any():
            return True
    nothing_found = (values("Recall") == 0) & (values("Precision") == 0)
    return bool(
        np.isnan(values("SDR")).any()
        or nothing_found.any()
        or any((values(name) < FLOOR_DB).any() for name in RATIOS)
    )
