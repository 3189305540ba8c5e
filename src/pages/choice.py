"""Which tracks of many to listen to, and the table of them all."""

import numpy as np
import pandas as pd

from src.errors import ConfigError
from src.pages.listening import Row

KEYS = ["track", "source"]


def choose_tracks(scores, num_tracks, lower_is_better=False):
    """Tracks evenly from the worst to the best, the median among them.

    Args:
        scores: Series, track → score; those without a finite one are never chosen.
        num_tracks: at most so many.

    Returns:
        dict, track → what it is among all ("worst", "rank 3 of 24", …); worst first.
    """
    ranked = scores[np.isfinite(scores)].sort_values(ascending=not lower_is_better, kind="stable")
    last = len(ranked) - 1
    places = np.unique(np.linspace(0, last, min(num_tracks, last + 1)).round().astype(int))
    if len(places) > 2:
        places[1 + np.abs(places[1:-1] - last // 2).argmin()] = last // 2
    return {ranked.index[place]: rank_name(place, last) for place in places}


def rank_name(place, last):
    if place == 0:
        return "worst"
    if place == last:
        return "best"
    return f"{'median, ' if place == last // 2 else ''}rank {place + 1} of {last + 1}"


def mean_scores(table, metric):
    """Series, track → mean score over its sources.

    Raises:
        ConfigError: there is no such score, or not a finite one.
    """
    if metric not in table:
        raise ConfigError(
            f"listening_page.metric = {metric!r}, but the scores are {', '.join(score_names(table))}: "
            "choose one of these."
        )
    means = table.groupby("track")[metric].mean()
    if not np.isfinite(means).any():
        raise ConfigError(f"No track has a finite {metric}: choose another listening_page.metric.")
    return means


def score_rows(tables, metric, chosen):
    """What the page's table shows.

    Returns:
        dict with `rows`, the Rows of all runs, lowest `metric` first, and `metrics`, the names of
        their scores.
    """
    table = pd.concat([one.assign(number=number) for number, one in enumerate(tables, start=1)])
    table = table.sort_values(metric, kind="stable")
    cards = {track: number for number, track in enumerate(chosen, start=1)}
    metrics = score_names(table)
    rows = [
        Row(number, track, source, list(scores), cards.get(track))
        for number, track, source, *scores in table[["number", *KEYS, *metrics]].itertuples(
            index=False
        )
    ]
    return {"rows": rows, "metrics": metrics}


def score_names(table):
    return [name for name in table if name not in (*KEYS, "number")]
