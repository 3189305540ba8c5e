"""Statistics of a comparison: what chance alone does, what a real shift does, and the odd tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audition.reports.comparison import paired_differences
from audition.reports.intervals import LEVEL
from audition.reports.methods import mean_over_seeds
from tests.support.scores import COLUMN, scores


def change(table, track, source, value):
    here = (table["track"] == track) & (table["source"] == source)
    return table.assign(**{COLUMN: table[COLUMN].mask(here, value)})


def differences(first, second, **settings):
    """Rows of `second` against `first`, by source."""
    table = paired_differences({"first": first, "second": second}, "first", **settings)
    return table.set_index("source")


def test_a_real_shift_is_found_overall_and_in_each_source():
    rows = differences(scores(seed=1), scores(seed=2, shift=1.5))
    assert list(rows.index) == ["OVERALL", "s1", "s2"]
    assert set(rows["verdict"]) == {"better"} and set(rows["metric"]) == {COLUMN}
    assert (rows["low"] < 1.5).all() and (rows["high"] > 1.5).all()
    assert set(differences(scores(seed=2, shift=1.5), scores(seed=1))["verdict"]) == {"worse"}


def test_of_noise_without_a_shift_nothing_is_shown():
    rows = differences(scores(seed=1), scores(seed=2))
    assert set(rows["verdict"]) == {"not shown"}
    assert (rows["low"] < 0).all() and (rows["high"] > 0).all()


@pytest.mark.parametrize("num_tracks", [10, 60])
def test_chance_alone_finds_something_in_5_percent_of_comparisons_at_most(num_tracks):
    """Three runs, overall and two sources: nine looks at nothing, in 100 comparisons."""
    found = 0
    for number in range(100):
        tables = {run: scores(num_tracks, seed=10 * number + run) for run in range(4)}
        found += not set(paired_differences(tables, 0)["verdict"]) <= {"not shown"}
    assert found <= stats.binom.ppf(0.999, 100, LEVEL)


def test_differences_are_of_tracks_and_the_verdict_is_on_their_shift():
    first, second = scores(seed=1), scores(seed=2, shift=0.3)
    rows = differences(first, second)
    by_track = (second[COLUMN] - first[COLUMN]).groupby(first["track"]).mean()
    overall = rows.loc["OVERALL"]
    assert overall["tracks"] == overall["units"] == 30
    assert overall["difference"] == pytest.approx(by_track.mean(), abs=1e-6)
    p = stats.wilcoxon(by_track.round(6)).pvalue
    assert p <= overall["p"] < 1.5 * p  # as these changes are a little skewed
    assert overall["low"] < overall["shift"] < overall["high"]


def test_an_interval_and_its_verdict_never_contradict_each_other():
    """In 1,000 rows, many of them close to the edge, of as many tracks as differ in how exact p is."""
    for number in range(20):
        tables = {
            run: scores(int(8 + 6 * number), seed=1000 + 10 * number + run, shift=0.2 * run)
            for run in range(6)
        }
        for row in paired_differences(tables, 0, margin=0.5).itertuples():
            shown = row.verdict not in ("not shown", "equivalent", "too few tracks")
            assert shown == (row.low > 0 or row.high < 0) == (row.p_corrected < LEVEL)


def test_intervals_hold_together_over_all_rows_of_one_metric_and_no_further():
    tables = {"a": scores(seed=1), "b": scores(seed=2), "c": scores(seed=3, shift=0.4)}
    rows = paired_differences(tables, "a")
    alone = paired_differences({"a": tables["a"], "c": tables["c"]}, "a", each_source=False)
    assert list(rows["comparisons"]) == [6] * 6 and list(alone["comparisons"]) == [1]
    assert rows["p_corrected"].tolist() == pytest.approx(np.minimum(1, 6 * rows["p"]))
    assert alone["p_corrected"][0] == alone["p"][0] == rows["p"][1]
    assert rows["low"][1] < alone["low"][0] < alone["high"][0] < rows["high"][1]
    both = {run: table.assign(SDR=table[COLUMN]) for run, table in tables.items()}
    again = paired_differences(both, "a")
    pd.testing.assert_series_equal(again["low"][:6], rows["low"])


@pytest.mark.parametrize(("num_tracks", "said"), [(5, True), (7, False)])
def test_too_few_tracks_are_said(num_tracks, said):
    (verdict,) = differences(
        scores(num_tracks, seed=1), scores(num_tracks, seed=2, shift=9), each_source=False
    )["verdict"]
    assert verdict == ("too few tracks" if said else "better")


def test_one_track_has_no_interval():
    row = differences(scores(1, seed=1), scores(1, seed=2)).loc["OVERALL"]
    assert (row["low"], row["high"]) == (-np.inf, np.inf) and row["verdict"] == "too few tracks"


def test_of_the_same_scores_nothing_is_shown_unless_equivalence_is_asked():
    first = scores()
    second = first.assign(**{COLUMN: first[COLUMN] + 1e-12})
    rows = differences(first, second)
    assert set(rows["verdict"]) == {"not shown"} and set(rows["p"]) == {1.0}
    assert set(rows["low"]) == set(rows["high"]) == {0.0}
    assert set(differences(first, second, margin=0.1)["verdict"]) == {"equivalent"}


def test_equivalence_is_an_interval_within_the_margin():
    first, second = scores(seed=1), scores(seed=2)
    row = differences(first, second, each_source=False).loc["OVERALL"]
    furthest = max(-row["low"], row["high"])
    for margin, said in ((furthest + 0.01, "equivalent"), (furthest - 0.01, "not shown")):
        found = differences(first, second, each_source=False, margin=margin)
        assert set(found["verdict"]) == {said}
    better = differences(first, scores(seed=2, shift=1), each_source=False, margin=5)
    assert set(better["verdict"]) == {"better, within margin"}


def test_tracks_that_do_not_differ_count_against_a_difference():
    """The shift is over all tracks: where most stay as they were, it is 0, and so is its interval."""
    changes = [1.0 + 0.01 * n for n in range(20)]
    assert verdict_of(changes) == "better"
    assert verdict_of([*changes, *[0.0] * 100]) == "not shown"


def verdict_of(changes):
    first = scores(len(changes), noise=0)
    second = first.assign(**{COLUMN: first[COLUMN] + np.repeat(changes, 2)})
    return differences(first, second, each_source=False).loc["OVERALL", "verdict"]


def test_undefined_pairs_are_left_out_and_counted():
    """The other source of that track still counts."""
    second = change(scores(seed=2), "track03", "s1", np.nan)
    rows = differences(scores(seed=1), second)
    assert list(rows["left_out"]) == [1, 1, 0]
    assert list(rows["tracks"]) == [30, 29, 30]
    assert np.isfinite(rows["difference"]).all()
    missing = second[second["track"] != "track03"]
    assert list(differences(scores(seed=1), missing)["left_out"]) == [2, 1, 1]
    nothing = scores().assign(**{COLUMN: np.nan})
    assert set(differences(nothing, nothing)["verdict"]) == {"too few tracks"}


def test_infinite_scores_count_as_the_largest():
    first, second = scores(8, seed=1), scores(8, seed=2, shift=9.0)
    failed = change(second, "track03", "s1", -np.inf)  # a silent estimate
    good = differences(first, second, each_source=False).loc["OVERALL"]
    bad = differences(first, failed, each_source=False).loc["OVERALL"]
    assert (bad["tracks"], bad["infinite"]) == (8, 1)
    assert bad["p"] > good["p"] and np.isfinite(bad["difference"])
    assert bad["low"] == -np.inf < good["low"]  # one track of eight lies beyond any interval
    assert bad["high"] == pytest.approx(good["high"], abs=1)


def test_shift_and_mean_may_disagree():
    """A little better on most tracks, far worse on two."""
    first = scores(30, noise=0)
    second = first.assign(**{COLUMN: first[COLUMN] + 0.1 + 0.01 * np.arange(60) % 0.2})
    for track in ("track05", "track17"):
        second = change(change(second, track, "s1", -90.0), track, "s2", -90.0)
    assert set(differences(first, second)["verdict"]) == {"mixed"}


def test_a_score_may_be_better_when_lower():
    rows = differences(scores(seed=1), scores(seed=2, shift=2), lower_is_better=[COLUMN])
    assert set(rows["verdict"]) == {"worse"} and (rows["difference"] > 0).all()


def test_one_source_is_not_repeated():
    assert list(differences(scores(sources=["vocals"]), scores(sources=["vocals"])).index) == [
        "OVERALL"
    ]


def seeds_of(name, shifts, noise=1.0):
    return [scores(20, seed=100 * name + n, shift=s, noise=noise) for n, s in enumerate(shifts)]


def compared_seeds(first, second, **settings):
    """The overall row of two methods, each a list of tables of its seeds."""
    seeds = {"first": first, "second": second}
    tables = {label: mean_over_seeds(found) for label, found in seeds.items()}
    rows = paired_differences(tables, "first", each_source=False, seeds=seeds, **settings)
    return rows.iloc[0]


def test_seeds_that_scatter_widen_the_interval_and_one_seed_does_not():
    steady = compared_seeds(seeds_of(1, [0, 0, 0]), seeds_of(2, [1, 1, 1]))
    scattered = compared_seeds(seeds_of(1, [-1, 0, 1]), seeds_of(2, [0, 1, 2]))
    assert steady["shift"] == pytest.approx(scattered["shift"], abs=0.1)
    assert steady["verdict"] == "better" and scattered["verdict"] == "not shown"
    single = compared_seeds(seeds_of(1, [0]), seeds_of(2, [1]))
    alone = differences(*seeds_of(1, [0]), *seeds_of(2, [1]), each_source=False).loc["OVERALL"]
    assert (single["low"], single["high"]) == (alone["low"], alone["high"])


def test_a_lucky_seed_is_no_better_method():
    """One network of three is far better; over tracks alone that would be a verdict."""
    lucky = seeds_of(2, [0, 0, 3], noise=0.1)
    row = compared_seeds(seeds_of(1, [0, 0, 0], noise=0.1), lucky)
    assert row["shift"] > 0.9 and row["verdict"] == "not shown"


def test_tracks_of_a_group_count_once():
    """Forty tracks of four speakers are four units, too few for any verdict."""
    first, second = scores(40, seed=1), scores(40, seed=2, shift=2)
    groups = {track: f"speaker{n % 4}" for n, track in enumerate(first["track"].unique())}
    row = differences(first, second, groups=groups).loc["OVERALL"]
    assert (row["tracks"], row["units"], row["verdict"]) == (40, 4, "too few tracks")
    groups = {track: f"speaker{n % 20}" for n, track in enumerate(first["track"].unique())}
    row = differences(first, second, groups=groups).loc["OVERALL"]
    assert (row["units"], row["verdict"]) == (20, "better")
