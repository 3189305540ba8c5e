"""Chooses the tracks to listen to, and makes the table of all of them."""

import numpy as np
import pandas as pd

from audition.errors import ConfigError
from audition.metrics.bss_eval import OF_THE_MIXTURE
from audition.reports.listening.page import Row
from audition.reports.report_card import mixture_scores, shown_scores

KEYS = ["track", "source"]
SAME = 0.005  # scores closer than this are shown as the same


def ranking_run(tables: list[pd.DataFrame], metric: str) -> tuple[int, pd.Series]:
    """The first run whose tracks differ in their score: unprocessed mixtures, which all gain 0 dB,
    can't be used for ranking.

    Args:
        tables: as of `score_table`, one per run.

    Returns:
        `(number of the run, from 1; Series, track → its mean score)`.

    Raises:
        ConfigError: there is no such score, or it is never finite.
    """
    means = [mean_scores(table, metric) for table in tables]
    finite = [one[np.isfinite(one)] for one in means]
    if not any(map(len, finite)):
        raise ConfigError(f"No track has a finite {metric}: choose another listening_page.metric.")
    spreads = [np.ptp(one) if len(one) else -1.0 for one in finite]
    place = next((i for i, spread in enumerate(spreads) if spread > SAME), int(np.argmax(spreads)))
    return place + 1, means[place]


def telling_metric(metric: str, tables: list[pd.DataFrame]) -> str:
    """`metric`, or what it improves on if that is 0 throughout: all runs are unprocessed mixtures."""
    if all(metric in mixture_scores(table) for table in tables):
        return metric.removeprefix(OF_THE_MIXTURE).removesuffix("i")
    return metric


def choose_tracks(
    scores: pd.Series, num_tracks: int, lower_is_better: bool = False
) -> dict[str, str]:
    """Tracks spaced evenly from the worst to the best, including the median.

    Args:
        scores: track → score; those without a finite one are never chosen.
        num_tracks: how many to choose, at most.

    Returns:
        dict, track → its rank among all ("worst", "rank 3 of 24", …); worst first.

    Raises:
        ConfigError: `num_tracks` is less than 1.
    """
    if num_tracks < 1:
        raise ConfigError(f"listening_page.num_tracks = {num_tracks} must be at least 1.")
    ranked = scores[np.isfinite(scores)].sort_values(ascending=not lower_is_better, kind="stable")
    last = len(ranked) - 1
    places = np.unique(np.linspace(0, last, min(num_tracks, last + 1)).round().astype(int))
    if len(places) > 2:
        places[1 + np.abs(places[1:-1] - last // 2).argmin()] = last // 2
    return {ranked.index[place]: rank_name(place, last) for place in places}


def rank_name(place: int, last: int) -> str:
    if place == 0:
        return "worst"
    if place == last:
        return "best"
    return f"{'median, ' if place == last // 2 else ''}rank {place + 1} of {last + 1}"


def mean_scores(table: pd.DataFrame, metric: str) -> pd.Series:
    """Series, track → mean score over its sources."""
    if metric not in table:
        raise ConfigError(
            f"listening_page.metric = {metric!r}, but the scores are "
            f"{', '.join(score_names(table))}: choose one of these."
        )
    return table.groupby("track")[metric].mean()


def score_rows(tables: list[pd.DataFrame], metric: str, chosen: list[str]) -> dict[str, list]:
    """The contents of the page's table.

    Returns:
        dict with `rows`, the Rows of all runs, lowest `metric` first, and `metrics`, the names of
        their scores, `metric` first; a score that means nothing for a run is NaN there.
    """
    shown = [one[[*KEYS, *dict.fromkeys([metric, *shown_scores(one)])]] for one in tables]
    table = pd.concat([one.assign(number=number) for number, one in enumerate(shown, start=1)])
    table = table.sort_values(metric, kind="stable")
    cards = {track: number for number, track in enumerate(chosen, start=1)}
    metrics = [metric, *(name for name in score_names(table) if name != metric)]
    rows = [
        Row(number, track, source, list(scores), cards.get(track))
        for number, track, source, *scores in table[["number", *KEYS, *metrics]].itertuples(
            index=False
        )
    ]
    return {"rows": rows, "metrics": metrics}


def score_names(table: pd.DataFrame) -> list[str]:
    return [name for name in table if name not in (*KEYS, "number")]
