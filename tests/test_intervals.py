"""Intervals of a shift and of a mean: against scipy, against hand-made ones, and how often they cover."""

import numpy as np
import pytest
from scipy import stats

from audition.reports.intervals import Shift, ShiftOfMethods, mean_interval, p_value


@pytest.mark.parametrize("size", [6, 10, 40, 150])
def test_the_interval_inverts_the_signed_rank_test(size):
    """Inside it a shift isn't rejected, outside it is; by scipy, of symmetric changes."""
    changes = np.random.default_rng(size).normal(1, 2, size // 2)
    changes = np.concatenate([changes, 2 - changes]).round(6)
    shift = Shift(changes + np.linspace(0, 1e-3, size))
    assert shift.widening == pytest.approx(1, abs=0.12)
    shift.widening = 1.0
    low, high = shift.interval()
    changes = changes + np.linspace(0, 1e-3, size)
    inside, outside = (
        [stats.wilcoxon(changes - value).pvalue for value in values]
        for values in ([low + 1e-5, high - 1e-5], [low - 1e-5, high + 1e-5])
    )
    assert min(inside) > 0.05 >= max(outside)


def test_p_is_that_of_the_signed_rank_test():
    for size in (7, 20, 60):
        changes = np.random.default_rng(size).normal(0.4, 1, size)
        shift = Shift(changes)
        shift.widening = 1.0
        expected = stats.wilcoxon(changes, method="exact").pvalue
        assert p_value(shift) == pytest.approx(expected, rel=1e-6)


def test_the_shift_is_the_median_of_averages_of_pairs():
    assert Shift(np.array([0.0, 1.0, 5.0])).estimate == 1.75  # of 0, 0.5, 1, 2.5, 3, 5
    assert Shift(np.array([-np.inf, -np.inf, 1.0])).estimate == -np.inf
    assert Shift(np.array([-np.inf, np.inf, 1.0])).estimate == 0.5  # two opposite ones cancel out


def test_five_changes_have_no_interval_of_95_percent():
    assert Shift(np.arange(5.0)).interval() == (-np.inf, np.inf)
    assert Shift(np.arange(1, 7.0)).interval() == (1.0, 6.0)


def test_skewed_changes_with_a_shift_of_0_are_widened():
    assert Shift(np.random.default_rng(0).exponential(size=2000)).widening > 1.02


DRAWS = {
    "normal": lambda random, size: random.normal(size=size),
    "heavy tails": lambda random, size: random.standard_t(3, size),
    "outliers": lambda random, size: (
        random.normal(size=size) * random.choice([1, 10], size, p=[0.9, 0.1])
    ),
    "skewed": lambda random, size: random.exponential(size=size),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize(("kind", "size"), [("shift", 10), ("shift", 60), ("mean", 20)])
def test_intervals_cover(name, kind, size):
    """300 data sets each; benchmarks/statistics.py does it with more."""
    random = np.random.default_rng(1)
    data = DRAWS[name](random, (300, size))
    skewed = name == "skewed"
    if kind == "mean":
        truth, ends = float(skewed), np.array([mean_interval(row) for row in data])
    else:  # the median of the mean of two: Gamma(2, 1/2)
        truth = stats.gamma.median(2, scale=0.5) if skewed else 0.0
        ends = np.array([Shift(row).interval() for row in data])
    covered = np.sum((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    assert covered >= stats.binom.ppf(0.01, 300, 0.95)


def test_the_interval_of_a_mean_is_studentised_and_never_shorter_than_students():
    """Of skewed values the percentile bootstrap and its corrections end short of the long tail."""
    skewed = stats.expon.ppf((np.arange(20) + 0.5) / 20)
    low, high = mean_interval(skewed)
    t_low, t_high = stats.t.interval(0.95, 19, skewed.mean(), stats.sem(skewed))
    random = np.random.default_rng(0)
    percentile = np.quantile(random.choice(skewed, (999, 20)).mean(axis=1), 0.975)
    assert percentile < t_high < high and low == pytest.approx(t_low)
    means = skewed.mean() + 1e-9
    draws = skewed[np.random.default_rng(0).integers(20, size=(999, 20))]
    t = (draws.mean(axis=1) - means) / stats.sem(draws, axis=1)
    assert high == pytest.approx(means - np.sort(t)[24] * stats.sem(skewed), rel=1e-6)
    outliers = np.array([0.1, -0.2, 0.3, 0.0, -0.1, 0.2, -0.3, 0.1, 9.0, -8.0])
    low, high = mean_interval(outliers)
    t_low, t_high = stats.t.interval(0.95, 9, outliers.mean(), stats.sem(outliers))
    assert low <= t_low and high >= t_high


def test_few_and_constant_values_have_the_interval_they_can():
    assert np.isnan(mean_interval([1.0])).all()
    assert mean_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert mean_interval([1.0, 3.0]) == pytest.approx(stats.t.interval(0.95, 1, 2, 1))
    low, high = mean_interval([1.0, 2.0, 3.0])
    assert np.isfinite([low, high]).all()


def test_seeds_and_tracks_join_as_independent_parts():
    """Welch's interval of the seeds and that of the tracks, by the square root of squares."""
    tracks = Shift(np.random.default_rng(0).normal(1, 0.5, 20))
    seeds = [np.array([0.8, 1.0, 1.3]), np.array([0.9, 1.1])]
    joined = ShiftOfMethods(tracks, seeds)
    welch = stats.ttest_ind(*seeds, equal_var=False).confidence_interval(0.95)
    half = (welch.high - welch.low) / 2
    low, high = tracks.interval()
    expected = [
        tracks.estimate - np.hypot(tracks.estimate - low, half),
        tracks.estimate + np.hypot(high - tracks.estimate, half),
    ]
    assert joined.interval() == pytest.approx(expected)
    of_one = ShiftOfMethods(tracks, [np.array([3.0]), np.array([])])
    assert of_one.interval() == pytest.approx(tracks.interval())
