"""Separators: anything that turns a mixture into estimates.

To add one, write a class with a `finish` method (and `on_device`, where it has a network); see base.py.
"""

from src.separators.base import Separator, choose_device
from src.separators.loop import LoopSettings, Track, separate_each
from src.separators.networks import EmbeddingClustering, MaskEstimation, WaveformEstimation
from src.separators.nussl_separators import (
    SEPARATORS,
    NusslSeparator,
    nussl_recipes,
    separator_recipe,
)

__all__ = [
    "SEPARATORS",
    "EmbeddingClustering",
    "LoopSettings",
    "MaskEstimation",
    "NusslSeparator",
    "Separator",
    "Track",
    "WaveformEstimation",
    "choose_device",
    "nussl_recipes",
    "separate_each",
    "separator_recipe",
]
