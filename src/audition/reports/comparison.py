"""Whether methods score differently: paired over tracks, with simultaneous intervals."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from audition.metrics.bss_eval import OF_THE_MIXTURE
from audition.progress import Progress
from audition.reports.intervals import (
    DECIMALS,
    LEVEL,
    Shift,
    ShiftOfMethods,
    excludes_zero,
    p_value,
)
from audition.reports.report_card import KEYS, OVERALL


class Difference(NamedTuple):
    """Scores of a method minus those of the baseline, over the tracks that both have."""

    tracks: int
    units: int  # independent ones: tracks, or groups of them
    left_out: int  # pairs of scores of which one is undefined
    infinite: int  # tracks
    difference: float  # mean of the finite ones
    shift: float  # Hodges–Lehmann
    low: float  # of the interval of the shift
    high: float
    p: float


def paired_differences(
    tables: dict[str, pd.DataFrame],
    baseline: str,
    columns: Sequence[str] | None = None,
    each_source: bool = True,
    lower_is_better: tuple | list = (),
    seeds: dict[str, list[pd.DataFrame]] | None = None,
    groups: dict[str, Hashable] | None = None,
    margin: float | None = None,
) -> pd.DataFrame:
    """Differences between each method and the baseline, over the same tracks.

    The unit is a track or a group of tracks, because the sources of a track and the tracks of a group
    aren't independent: a unit's difference is the mean over its tracks of the mean over their
    sources. Pairs in which a score is NaN (a silent source) are left out and counted. A track with
    an infinite difference counts in the shift as the largest of all, but not in the mean.

    The verdict is on the Hodges–Lehmann shift, whose interval inverts the signed-rank test
    (`audition.reports.intervals.Shift`). The intervals of all rows of one metric hold together with
    95 % (each has 1 - 0.05 / comparisons, Bonferroni), and a verdict is given exactly where one of
    them excludes 0. With several seeds of a method, seeds are a chance as tracks are
    (`ShiftOfMethods`); of one, the verdict is on that network alone.

    Args:
        tables: label → table as of `score_table`; of several seeds, their mean.
        baseline: label of the method that the others are compared to.
        columns: scores to compare; None: all but those of the mixture itself.
        each_source: also a row per source, if there are several.
        lower_is_better: the columns whose scores are better when lower.
        seeds: label → one table per seed; None: each method has one.
        groups: track → its group (a speaker, a song); None: each track is its own.
        margin: dB within which methods count as equivalent; None tests no equivalence.

    Returns:
        DataFrame, a row per metric that both have, source ("OVERALL" first) and method but the
        baseline, with the
        fields of `Difference` (dB, as the scores), `comparisons`, the number of rows that interval
        and `p_corrected` allow for, and the `verdict`.
    """
    columns = [c for c in columns or score_columns(tables) if not c.startswith(OF_THE_MIXTURE)]
    sources = [OVERALL, *several_sources(tables)] if each_source else [OVERALL]
    others = [label for label in tables if label != baseline]
    keys = [
        (column, source, label)
        for column in columns
        for source in sources
        for label in others
        if column in tables[label] and column in tables[baseline]
    ]
    comparisons = len(sources) * len(others)
    rows = []
    for column, source, label in Progress(keys, "compare", unit="row", delay=3, leave=False):
        pair = [
            scores_by_seed(tables, seeds or {}, one, column, source) for one in (label, baseline)
        ]
        found = difference_of(*pair, groups, LEVEL / comparisons)
        sign = -1 if column in lower_is_better else 1
        about = {"metric": column, "source": source, "run": label, **found._asdict()}
        about["p_corrected"] = min(1.0, found.p * comparisons)
        about["comparisons"] = comparisons
        rows.append({**about, "verdict": verdict(found, comparisons, sign, margin)})
    fields = [*Difference._fields, "p_corrected", "comparisons", "verdict"]
    return pd.DataFrame(rows, columns=["metric", "source", "run", *fields])


def score_columns(tables: dict[str, pd.DataFrame]) -> list[str]:
    """All columns of scores that any table has, in order."""
    found = dict.fromkeys(column for table in tables.values() for column in table.columns)
    return [column for column in found if column not in KEYS]


def several_sources(tables: dict[str, pd.DataFrame]) -> list[str]:
    """Names of the sources; none if there is only one, whose rows would repeat the overall ones."""
    names = sorted({name for table in tables.values() for name in table["source"]})
    return names if len(names) > 1 else []


def scores_of(table: pd.DataFrame, column: str) -> pd.Series:
    """Series indexed by (track, source), NaN where a table has no such score."""
    indexed = table.set_index(KEYS)
    return indexed.get(column, pd.Series(np.nan, indexed.index))


def scores_by_seed(
    tables: dict[str, pd.DataFrame],
    seeds: dict[str, list[pd.DataFrame]],
    label: str,
    column: str,
    source: str,
) -> list[pd.Series]:
    """Series of one source, or OVERALL: the mean over the seeds, then each seed, if any."""
    found = [scores_of(table, column) for table in (tables[label], *seeds.get(label, ()))]
    if source == OVERALL:
        return found
    return [scores[scores.index.get_level_values("source") == source] for scores in found]


def difference_of(
    method: list[pd.Series],
    baseline: list[pd.Series],
    groups: dict[str, Hashable] | None,
    level: float,
) -> Difference:
    """The Difference of one row.

    Args:
        method, baseline: as of `scores_by_seed`.
        groups: see `paired_differences`.
        level: 1 - the coverage of its interval.
    """
    pairs = method[0] - baseline[0]
    by_track = track_means(pairs)
    finite = by_track[np.isfinite(by_track)]
    units = unit_means(by_track, groups)
    about = {
        "tracks": len(by_track),
        "units": len(units),
        "left_out": int(pairs.isna().sum()),
        "infinite": len(by_track) - len(finite),
        "difference": float(finite.mean()) if len(finite) else np.nan,
    }
    if not len(units):
        return Difference(**about, shift=np.nan, low=np.nan, high=np.nan, p=np.nan)
    shift = Shift(units)
    of_seeds = [
        [shift_of_seed(one - baseline[0], groups) for one in method[1:]],
        [shift_of_seed(method[0] - one, groups) for one in baseline[1:]],
    ]
    if any(len(shifts) > 1 for shifts in of_seeds):
        shift = ShiftOfMethods(shift, of_seeds)
    low, high = shift.interval(level)
    return Difference(**about, shift=shift.estimate, low=low, high=high, p=p_value(shift))


def track_means(pairs: pd.Series) -> pd.Series:
    """Series, track → mean of its sources' differences, as far as they are defined."""
    with np.errstate(invalid="ignore"):  # one source infinitely better, another infinitely worse
        return pairs.dropna().groupby("track").mean().dropna().round(DECIMALS)


def unit_means(by_track: pd.Series, groups: dict[str, Hashable] | None) -> np.ndarray:
    """Array of independent differences."""
    if groups is None:
        return by_track.to_numpy()
    with np.errstate(invalid="ignore"):
        return by_track.groupby(by_track.index.map(groups)).mean().dropna().to_numpy()


def shift_of_seed(pairs: pd.Series, groups: dict[str, Hashable] | None) -> float:
    units = unit_means(track_means(pairs), groups)
    return Shift(units).estimate if len(units) else np.nan


def verdict(found: Difference, comparisons: int, sign: int, margin: float | None) -> str:
    """The verdict in words; `sign` is -1 for a score that is better when lower."""
    if not found.units or comparisons * 2.0 ** (1 - found.units) > LEVEL:
        return "too few tracks"
    equivalent = margin is not None and -margin < found.low and found.high < margin
    if not excludes_zero(found.low, found.high):
        return "equivalent" if equivalent else "not shown"
    if found.shift * found.difference <= 0:
        return "mixed"
    word = "better" if found.shift * sign > 0 else "worse"
    return f"{word}, within margin" if equivalent else word
