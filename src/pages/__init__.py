"""Pages that a browser shows from the disk: sounds, pictures and templates, all in one file."""

from src.pages.choice import choose_tracks, ranking_run, score_rows
from src.pages.facts import run_facts
from src.pages.listening import Curves, Heard, RunHead, draw_card, render
from src.pages.sounds import excerpt_seconds, loudest_start

__all__ = [
    "Curves",
    "Heard",
    "RunHead",
    "choose_tracks",
    "draw_card",
    "excerpt_seconds",
    "loudest_start",
    "ranking_run",
    "render",
    "run_facts",
    "score_rows",
]
