"""Confidence intervals for the shift between paired scores, with a matching test, and for a mean.

benchmarks/statistics.py measures what they promise; docs/comparing.md has its figures.
"""

import functools

import numpy as np
from scipy import stats

LEVEL = 0.05  # of the tests; intervals cover 1 - LEVEL
DECIMALS = 6  # scores closer than this differ only by rounding
FEW = 20  # changes
MOST_EXACT = 100  # changes; with more, the signed-rank statistic is treated as normal
NUM_RESAMPLES = 999
MOST_RESAMPLED = 1000  # values; with more, Student's interval is enough
BEYOND = 1e9  # stands for an infinite change; finite ones are far smaller


class Shift:
    """The Hodges–Lehmann shift of independent changes, with the interval that inverts its test.

    The shift is the median of the averages of all pairs of changes, each with itself included
    (Hodges and Lehmann 1963). Its interval lies between two of these averages, and excludes 0
    exactly where Wilcoxon's signed-rank test of the same level rejects: interval and verdict can't
    contradict each other. An infinite change counts as the largest of all.

    The test is exact where changes are symmetric about 0, as they are wherever two systems are
    interchangeable. Skewed changes with a shift of 0 let the statistic scatter a little more, by the
    factor `widening`, estimated from the changes; the interval is widened by it. Ties and changes
    of 0 count against a difference.

    Args:
        changes: at least one, none of them NaN.
    """

    def __init__(self, changes: np.ndarray):
        changes = np.sort(np.clip(np.round(changes, DECIMALS), -BEYOND, BEYOND))
        first, second = pairs(len(changes))
        self.number = len(changes)
        self.averages = np.sort((changes[first] + changes[second]) / 2)
        middle = float(np.median(self.averages))
        self.estimate = unclipped(middle)
        self.widening = widening(changes, middle)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """`(low, high)` of the interval of 1 - `level`; infinite if there are too few changes."""
        centre = (len(self.averages) - 1) / 2
        half = centre + 0.5 - critical_count(self.number, level)
        cut = int(np.floor(round(centre + 0.5 - self.widening * half, DECIMALS)))
        if cut < 0:
            return -np.inf, np.inf
        return unclipped(self.averages[cut]), unclipped(self.averages[-1 - cut])


class ShiftOfMethods:
    """The shift between two methods trained with several seeds; both seeds and tracks are random.

    The estimate is the `Shift` of changes whose scores are means over seeds. Its interval joins that
    of the tracks with Welch's t interval of the seeds (the scatter of the shifts of single seeds) by
    MOVER, the square root of the sum of squares of the distances to either end (Zou and Donner 2008).

    Args:
        tracks: the Shift over tracks.
        seeds: for each method, the shifts of its seeds against the other method's mean. A method of
            one seed adds nothing: it stands for that network alone.
    """

    def __init__(self, tracks: Shift, seeds: list[np.ndarray | list[float]]):
        self.tracks, self.estimate = tracks, tracks.estimate
        with np.errstate(invalid="ignore"):
            parts = [(np.var(s, ddof=1) / len(s), len(s) - 1) for s in seeds if len(s) > 1]
        self.variance = sum(variance for variance, _ in parts)
        scatter = sum(variance**2 / degrees for variance, degrees in parts)
        self.degrees = self.variance**2 / scatter if scatter else np.inf

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        half = stats.t.isf(level / 2, self.degrees) * np.sqrt(self.variance)
        low, high = self.tracks.interval(level)
        with np.errstate(invalid="ignore"):  # of an infinite shift no end is known: NaN
            return (
                float(self.estimate - np.hypot(self.estimate - low, half)),
                float(self.estimate + np.hypot(high - self.estimate, half)),
            )


def p_value(shift: Shift | ShiftOfMethods) -> float:
    """The smallest level at which the interval of `shift` excludes 0; 1 if there is none."""
    below, above = -40.0, 0.0  # log of the level
    if not excludes_zero(*shift.interval(np.exp(above))):
        return 1.0
    for _ in range(50):
        middle = (below + above) / 2
        if excludes_zero(*shift.interval(np.exp(middle))):
            above = middle
        else:
            below = middle
    return float(np.exp(above))


def excludes_zero(low: float, high: float) -> bool:
    return low > 0 or high < 0


def mean_interval(values: np.ndarray | list[float], level: float = LEVEL) -> tuple[float, float]:
    """Ends of the interval of the mean; NaN for fewer than two values.

    The wider, at each end, of Student's t, which is too short on the long side of skewed values, and
    the studentised bootstrap (Efron 1982), from a fixed seed, which is too short where a tenth of
    the values are outliers. Of skewed values, ten and fewer, both are too short.

    Args:
        values: independent and finite.
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return np.nan, np.nan
    mean, error = values.mean(), standard_error(values)
    low = high = stats.t.isf(level / 2, len(values) - 1)
    if error > 0 and len(values) <= MOST_RESAMPLED:
        found = studentised_resamples(values, mean)
        ends = np.quantile(found, [level / 2, 1 - level / 2], method="inverted_cdf")
        low, high = max(low, ends[1]), max(high, -ends[0])
    return float(mean - low * error), float(mean + high * error)


def studentised_resamples(values: np.ndarray, mean: float) -> np.ndarray:
    """Array: the t of resamples about `mean`; a resample of one value alone has none."""
    drawn = np.random.default_rng(0).integers(len(values), size=(NUM_RESAMPLES, len(values)))
    resamples = values[drawn]
    errors = standard_error(resamples)
    several = errors > 0
    return (resamples.mean(axis=1)[several] - mean) / errors[several]


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the last axis; 0 if all values are the same."""
    size = values.shape[-1]
    return np.where(np.ptp(values, axis=-1) > 0, values.std(axis=-1, ddof=1) / np.sqrt(size), 0.0)


def unclipped(value: float) -> float:
    """`value`, or infinity if it is an average that includes an infinite change."""
    return float(np.copysign(np.inf, value) if abs(value) > BEYOND / 4 else value)


def widening(changes: np.ndarray, middle: float) -> float:
    """How much more the statistic varies than for symmetric changes, whose variance is 1/12; ≥ 1.

    Of more than FEW changes, an excess is corrected for the two degrees of freedom that the shift and
    the mean take. With few, a discrete statistic leaves margin enough.

    Args:
        changes: sorted.
        middle: their shift.
    """
    mirrored = 2 * middle - changes
    below = [np.searchsorted(changes, mirrored, side=side) for side in ("left", "right")]
    found = 12 * float(np.var(np.mean(below, axis=0) / len(changes)))
    if found > 1 and len(changes) > FEW:
        found *= len(changes) / (len(changes) - 2)
    return max(1.0, float(np.sqrt(found)))


@functools.lru_cache(maxsize=8)
def pairs(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of all pairs, including each change with itself."""
    return np.triu_indices(number)


def critical_count(number: int, level: float) -> int:
    """The largest number of averages on one side of 0 that a test at `level` still rejects; -1 if
    none is small enough."""
    if number <= MOST_EXACT:
        return int(np.searchsorted(signed_rank(number), level / 2, side="right")) - 1
    centre = number * (number + 1) / 4
    deviation = np.sqrt(number * (number + 1) * (2 * number + 1) / 24)
    return max(-1, int(np.floor(centre - 0.5 + deviation * stats.norm.ppf(level / 2))))


@functools.lru_cache(maxsize=MOST_EXACT)
def signed_rank(number: int) -> np.ndarray:
    """The distribution function of Wilcoxon's statistic at 0, 1, …, if no change is 0."""
    mass = np.ones(1)
    for rank in range(1, number + 1):
        mass = (np.pad(mass, (0, rank)) + np.pad(mass, (rank, 0))) / 2
    return np.cumsum(mass)
