"""Pages that a browser shows from the disk: sounds, pictures and templates, all in one file."""

from src.pages.choice import choose_tracks, mean_scores, score_rows
from src.pages.facts import cost_facts, score_facts
from src.pages.listening import Curves, Heard, RunHead, draw_card, render
from src.pages.sounds import excerpt_seconds, loudest_start

__all__ = [
    "Curves",
    "Heard",
    "RunHead",
    "choose_tracks",
    "cost_facts",
    "draw_card",
    "excerpt_seconds",
    "loudest_start",
    "mean_scores",
    "render",
    "score_facts",
    "score_rows",
]
