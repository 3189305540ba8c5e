"""What version 0.1 made of silent estimates, and how its results are told from today's."""

import numpy as np

from audition.metrics.scores import FLOOR_DB

RATIOS = ("SI-SDR", "SI-SIR", "SI-SAR", "SD-SDR", "SNR", "SRR", "SDR", "ISR", "SIR", "SAR")


def leaves_open(scores: dict, metadata: dict) -> bool:
    """Whether a result may be of a silent estimate that was left out: NaN, or -inf, or 0 dB of SNR.

    Version 0.1 said NaN of silent sources and of silent estimates alike. Where the scores tell that it
    was the source, or that there was neither, they are what they would be today.

    Args:
        scores: dict, source → score → list of float.
        metadata: of the result; today's says which estimates are silent.
    """
    return "silent_estimates" not in metadata and any(map(is_open, scores.values()))


def is_open(columns):
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
