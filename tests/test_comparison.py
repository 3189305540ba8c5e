"""Statistics of a comparison: what chance alone does, what a real shift does, and the odd tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from audition.reports import comparison
from audition.reports.comparison import holm, paired_differences
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


def test_noise_without_a_shift_is_no_difference():
    rows = differences(scores(seed=1), scores(seed=2))
    assert set(rows["verdict"]) == {"no difference"}
    assert (rows["low"] < 0).all() and (rows["high"] > 0).all()


@pytest.mark.parametrize("num_tracks", [10, 60], ids=["exact", "approximate"])
def test_chance_alone_finds_something_in_5_percent_of_comparisons_at_most(num_tracks, monkeypatch):
    """Three runs, overall and two sources: nine looks at nothing, in 100 comparisons."""
    monkeypatch.setattr(comparison, "mean_interval", lambda changes: (0.0, 0.0))
    found = 0
    for number in range(100):
        tables = {run: scores(num_tracks, seed=10 * number + run) for run in range(4)}
        found += not set(paired_differences(tables, 0)["verdict"]) <= {"no difference"}
    assert found <= stats.binom.ppf(0.999, 100, comparison.LEVEL)


def test_differences_are_of_tracks_and_the_interval_is_of_their_mean():
    first, second = scores(seed=1), scores(seed=2, shift=0.3)
    rows = differences(first, second)
    by_track = (second[COLUMN] - first[COLUMN]).groupby(first["track"]).mean()
    overall = rows.loc["OVERALL"]
    assert overall["tracks"] == 30
    assert overall["difference"] == pytest.approx(by_track.mean(), abs=1e-6)
    assert overall["p"] == pytest.approx(stats.wilcoxon(by_track.round(6)).pvalue)
    half = 1.96 * by_track.std() / 30**0.5
    assert overall["high"] - overall["low"] == pytest.approx(2 * half, rel=0.15)


def test_holm_is_as_published():
    """Holm 1979: the smallest times n, the next times n - 1, never falling; NaN is no test."""
    p = pd.Series([0.04, 0.01, np.nan, 0.03, 0.9])
    np.testing.assert_allclose(holm(p), [0.09, 0.04, np.nan, 0.09, 0.9])


def test_p_is_corrected_over_all_rows_of_one_metric_and_no_further():
    tables = {"a": scores(seed=1), "b": scores(seed=2), "c": scores(seed=3, shift=0.4)}
    rows = paired_differences(tables, "a")
    alone = paired_differences({"a": tables["a"], "c": tables["c"]}, "a", each_source=False)
    assert list(rows["comparisons"]) == [6] * 6 and list(alone["comparisons"]) == [1]
    assert rows["p_holm"].min() == pytest.approx(6 * rows["p"].min())
    assert alone["p_holm"][0] == alone["p"][0]
    both = {run: table.assign(SDR=table[COLUMN]) for run, table in tables.items()}
    again = paired_differences(both, "a")
    pd.testing.assert_series_equal(again["p_holm"][:6], rows["p_holm"])


@pytest.mark.parametrize(("num_tracks", "said"), [(5, True), (7, False)])
def test_too_few_tracks_are_said(num_tracks, said):
    (verdict,) = differences(
        scores(num_tracks, seed=1), scores(num_tracks, seed=2, shift=9), each_source=False
    )["verdict"]
    assert verdict == ("too few tracks" if said else "better")


def test_one_track_has_no_interval():
    row = differences(scores(1, seed=1), scores(1, seed=2)).loc["OVERALL"]
    assert np.isnan(row["low"]) and row["verdict"] == "too few tracks"


def test_the_same_scores_are_no_difference():
    first = scores()
    rows = differences(first, first.assign(**{COLUMN: first[COLUMN] + 1e-12}))
    assert set(rows["verdict"]) == {"no difference"} and set(rows["p"]) == {1.0}
    assert set(rows["low"]) == set(rows["high"]) == {0.0}


@pytest.mark.parametrize("num_same", [0, 15, 95])
def test_tracks_that_do_not_differ_prove_nothing(num_same):
    """Of five tracks, all better, the exact p is 2 / 2**5, whatever else stayed as it was."""
    changes = np.array([0.0] * num_same + [1.0, 2.0, 3.0, 4.0, 5.0])
    first = scores(len(changes), noise=0)
    second = first.assign(**{COLUMN: first[COLUMN] + np.repeat(changes, 2)})
    row = differences(first, second, each_source=False).loc["OVERALL"]
    assert row["p"] == pytest.approx(2 / 2**5)
    assert (row["tracks"], row["verdict"]) == (num_same + 5, "too few tracks")


def test_tracks_that_do_not_differ_turn_no_verdict():
    changes = np.array([0.01 * n for n in range(1, 29)] + [-1.0 - 0.01 * n for n in range(22)])
    verdicts = [
        verdict_of(np.concatenate([changes, np.zeros(num_same)])) for num_same in (0, 10, 100)
    ]
    assert verdicts == ["worse"] * 3


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


def test_infinite_scores_count_by_their_rank():
    first, second = scores(8, seed=1), scores(8, seed=2, shift=9.0)
    failed = change(second, "track03", "s1", -np.inf)  # a silent estimate
    good = differences(first, second, each_source=False).loc["OVERALL"]
    bad = differences(first, failed, each_source=False).loc["OVERALL"]
    assert (bad["tracks"], bad["infinite"]) == (8, 1)
    assert bad["p"] > good["p"] and np.isfinite(bad["difference"])


def test_ranks_and_mean_may_disagree():
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
