"""How often intervals cover and verdicts err: what compare and its figures promise, simulated.

The intervals are those of audition.reports.intervals, the verdicts those of paired_differences, on
made-up differences whose truth is known, from fixed seeds. Beside them are the methods that they
were preferred to: Student's t, the BCa bootstrap and the percentile bootstrap.
"""

import numpy as np
import pandas as pd
from scipy import stats

from audition.reports.comparison import paired_differences
from audition.reports.intervals import LEVEL, Shift, excludes_zero, mean_interval
from audition.reports.methods import mean_over_seeds

SIZES = (5, 10, 20, 60)  # tracks
NUM_DATA_SETS = 8000
NUM_RESAMPLED = 500  # data sets of the slower intervals
NUM_FAMILIES = 1600  # of NUM_COMPARED comparisons each
NUM_COMPARED = 9
NUM_SEEDED, NUM_SEEDS, NUM_TRACKS = 200, 3, 20
SKEWED = ("exponential", "lognormal")
DRAWS = {
    "normal": lambda random, shape: random.normal(size=shape),
    "heavy tails (t, 3 df)": lambda random, shape: random.standard_t(3, shape),
    "10 % outliers (10 σ)": lambda random, shape: (
        random.normal(size=shape) * np.where(random.random(shape) < 0.1, 10, 1)
    ),
    "exponential": lambda random, shape: random.exponential(size=shape),
    "lognormal": lambda random, shape: random.lognormal(size=shape),
}
MEANS = {"exponential": 1.0, "lognormal": np.exp(0.5)}


def true_shift(name):
    """The median of the mean of two draws, from 10 million such pairs."""
    if name not in SKEWED:
        return 0.0
    return float(np.median(DRAWS[name](np.random.default_rng(99), (10_000_000, 2)).mean(axis=1)))


SHIFTS = {name: true_shift(name) for name in DRAWS}


def shift_interval(values):
    return Shift(values).interval()


def students(values):
    return stats.t.interval(1 - LEVEL, len(values) - 1, values.mean(), stats.sem(values))


def bootstrap(method):
    def interval(values):
        found = stats.bootstrap(
            (values,), np.mean, n_resamples=999, method=method, rng=np.random.default_rng(0)
        ).confidence_interval
        return found.low, found.high

    return interval


INTERVALS = {  # title → (interval, what it is of, data sets)
    "shift": (shift_interval, SHIFTS, NUM_DATA_SETS),
    "mean": (mean_interval, MEANS, NUM_RESAMPLED),
    "Student's t": (students, MEANS, NUM_RESAMPLED),
    "BCa": (bootstrap("BCa"), MEANS, NUM_RESAMPLED),
    "percentile": (bootstrap("percentile"), MEANS, NUM_RESAMPLED),
}


def coverage(name, size, interval, truth, number):
    """Share of data sets whose interval holds the truth."""
    data = DRAWS[name](np.random.default_rng([size, len(name)]), (number, size))
    ends = np.array([interval(values) for values in data])
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


def coverage_table():
    """DataFrame, a row per distribution and number of tracks, a column per interval."""
    rows = {
        (name, size): {
            title: coverage(name, size, interval, truths.get(name, 0.0), number)
            for title, (interval, truths, number) in INTERVALS.items()
        }
        for name in DRAWS
        for size in SIZES
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def family_errors(name, size):
    """Share of families of independent comparisons with any verdict, where every shift is 0."""
    random = np.random.default_rng([size, NUM_COMPARED])
    data = DRAWS[name](random, (NUM_FAMILIES, NUM_COMPARED, size)) - SHIFTS[name]
    found = [[Shift(row).interval(LEVEL / NUM_COMPARED) for row in family] for family in data]
    return float(np.mean([any(excludes_zero(*ends) for ends in family) for family in found]))


SCATTER = {  # std of: seeds, tracks by method, the rest, relative to each other
    "seeds alike": (0.0, 1.0, 1.0),
    "seeds scatter": (0.5, 1.0, 1.0),
    "seeds scatter more than tracks": (1.0, 0.3, 0.3),
}


def seeds_table():
    """DataFrame: coverage of the difference of two methods that are the same, seeds being chance or
    not; what is missing to 100 % are wrong verdicts."""
    rows = {}
    for kind in DRAWS.keys() - SKEWED:
        for name, stds in SCATTER.items():
            random = np.random.default_rng([len(kind), len(name)])
            ends = np.array([seeds_intervals(DRAWS[kind], random, stds) for _ in range(NUM_SEEDED)])
            held = (ends[..., 0] <= 0) & (ends[..., 1] >= 0)
            rows[kind, name] = dict(
                zip(("tracks and seeds", "tracks alone"), held.mean(0), strict=True)
            )
    return pd.DataFrame.from_dict(rows, orient="index").sort_index()


def seeds_intervals(draw, random, stds):
    """Ends of the interval of one data set, (2, 2): with and without the chance of seeds."""
    of_seeds, of_tracks, rest = stds
    values = of_seeds * draw(random, (2, NUM_SEEDS, 1)) + of_tracks * draw(
        random, (2, 1, NUM_TRACKS)
    )
    values = values + rest * draw(random, (2, NUM_SEEDS, NUM_TRACKS))
    seeds = {name: score_tables(one) for name, one in zip("ab", values, strict=True)}
    means = {name: mean_over_seeds(tables) for name, tables in seeds.items()}
    rows = [paired_differences(means, "a", seeds=one).iloc[0] for one in (seeds, None)]
    return [(row["low"], row["high"]) for row in rows]


def score_tables(values):
    """List of tables as of `score_table` of an array (seed, track)."""
    tracks = [f"{n:02d}" for n in range(values.shape[1])]
    return [pd.DataFrame({"track": tracks, "source": "voice", "score": one}) for one in values]


def ratio(name, value, bar):
    print(f"RATIO {name} {value:.3f} (bar {bar})")


def main():
    covered = coverage_table()
    print("COVERAGE of 95 % intervals (%), by distribution and number of tracks")
    print((100 * covered).round(1).to_string(), "\n")
    pairs = [(name, size) for name in DRAWS for size in SIZES]
    one = 1 - covered["shift"]  # a verdict is an interval that excludes 0
    nine = pd.Series({pair: family_errors(*pair) for pair in pairs})
    wrong = pd.DataFrame({"one": one, "nine": nine}).loc[pairs]
    print("ERRORS: families of comparisons with a verdict (%) where every shift is 0")
    print((100 * wrong).round(1).to_string(), "\n")
    seeds = seeds_table()
    print("SEEDS: coverage (%) of the shift of two methods of 3 seeds each on 20 tracks")
    print((100 * seeds).round(1).to_string(), "\n")
    few = [pair for pair in pairs if pair[0] in SKEWED and pair[1] <= 10]
    ratio("coverage_shift_least", covered["shift"].min(), "0.93 at least")
    ratio(
        "coverage_mean_least",
        covered["mean"].drop(few).min(),
        "0.93 at least, but skewed of 10 and fewer",
    )
    chance = 2.33 * np.sqrt(LEVEL * (1 - LEVEL) / np.array([NUM_DATA_SETS, NUM_FAMILIES]))
    for name, allowed in zip(wrong, LEVEL + chance, strict=True):
        ratio(
            f"errors_of_{name}_most", wrong[name].max(), f"{allowed:.3f} at most, 0.05 and chance"
        )
    ratio("coverage_seeds_least", seeds["tracks and seeds"].min(), "0.93 at least")


if __name__ == "__main__":
    main()
