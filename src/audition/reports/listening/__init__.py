"""Listening pages, which a browser opens from disk: sounds and pictures, all in one file."""

from audition.reports.listening.choice import (
    choose_tracks,
    ranking_run,
    score_rows,
    telling_metric,
)
from audition.reports.listening.facts import run_facts
from audition.reports.listening.page import (
    Curves,
    Exhibit,
    Heard,
    RunHead,
    draw_card,
    draw_segment,
    render,
)
from audition.reports.listening.sounds import excerpt_seconds, loudest_start

__all__ = [
    "Curves",
    "Exhibit",
    "Heard",
    "RunHead",
    "choose_tracks",
    "draw_card",
    "draw_segment",
    "excerpt_seconds",
    "loudest_start",
    "ranking_run",
    "render",
    "run_facts",
    "score_rows",
    "telling_metric",
]
