"""How well a confidence predicts the true score, where that is known."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from audition.errors import ConfigError
from audition.reports.report_card import with_unit

if TYPE_CHECKING:  # slow to import: see draw_calibration
    from matplotlib.figure import Figure

NORMAL_QUANTILE = 1.959964  # of 95 %, two-sided
MOST_COLUMNS = 4  # panels side by side
FEWEST = 4  # Fisher's z has a variance of 1 / (n - 3)


class Correlation(NamedTuple):
    r: float
    low: float  # of the 95 % interval
    high: float
    slope: float
    intercept: float
    num: int


def correlate(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Pearson's r of the finite pairs, its 95 % interval by Fisher's z, and the least-squares line.

    The interval treats the pairs as independent. Segments of the same song aren't, and overlapping
    ones even less so: the true interval is at least this wide.

    Args:
        x, y: arrays of the same length.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        raise ConfigError(
            f"A correlation needs {FEWEST} or more segments that differ, and {len(x)} have both a "
            "confidence and a score: separate more segments of data with sources."
        )
    r = float(np.corrcoef(x, y)[0, 1])
    z, half = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)), NORMAL_QUANTILE / np.sqrt(len(x) - 3)
    slope, intercept = np.polyfit(x, y, 1)
    low, high = np.tanh([z - half, z + half])
    return Correlation(r, float(low), float(high), float(slope), float(intercept), len(x))


def draw_calibration(
    table: pd.DataFrame, measures: Sequence[str], score: str, title: str = ""
) -> tuple["Figure", dict[str, Correlation]]:
    """A panel per measure: score over confidence, with the least-squares line and r.

    Args:
        table: DataFrame with these columns.
        measures: list of columns with confidences.
        score: column with the score.
        title: above the panels: where the segments are.

    Returns:
        matplotlib Figure; dict, measure → Correlation.
    """
    from matplotlib.figure import Figure  # half a second that no other command needs

    num_columns = min(len(measures), MOST_COLUMNS)
    num_rows = -(-len(measures) // num_columns)
    figure = Figure(figsize=(4 * num_columns, 3.6 * num_rows), layout="constrained")
    panels = figure.subplots(num_rows, num_columns, sharey=True, squeeze=False)
    found = {}
    for panel, name in zip(panels.flat, measures, strict=False):
        fit = found[name] = correlate(table[name], table[score])
        ends = np.array([table[name].min(), table[name].max()])
        panel.scatter(table[name], table[score], s=12, alpha=0.6, linewidths=0)
        panel.plot(ends, fit.slope * ends + fit.intercept, color="black", linewidth=1)
        panel.set_title(
            f"r = {fit.r:.2f} [{fit.low:.2f}, {fit.high:.2f}], N = {fit.num}", fontsize=10
        )
        panel.set_xlabel(name)
        panel.grid(alpha=0.3)
    for panel in panels.flat[len(measures) :]:
        panel.remove()
    for first in panels[:, 0]:
        first.set_ylabel(with_unit(score))
    figure.suptitle(title, fontsize=11)
    told = [f"{name}: r = {fit.r:.2f}, N = {fit.num}" for name, fit in found.items()]
    figure.set_label(f"{score} of segments over their confidence. {'; '.join(told)}.")
    return figure, found
