"""Separators: anything that turns a mixture into estimates.

To add one, write a class with a `finish` method (and `on_device`, where it has a network); see base.py.
"""

from src.separators.base import Explained, Separator, choose_device
from src.separators.confidence import MEASURES, Measured, Taught, Teacher
from src.separators.ensembles import PrimitiveEnsemble
from src.separators.loop import LoopSettings, Track, separate_all, separate_each
from src.separators.melody import predominant_melody
from src.separators.networks import EmbeddingClustering, MaskEstimation, WaveformEstimation
from src.separators.nussl_separators import (
    SEPARATORS,
    NusslSeparator,
    nussl_recipes,
    separator_recipe,
)

__all__ = [
    "MEASURES",
    "SEPARATORS",
    "EmbeddingClustering",
    "Explained",
    "LoopSettings",
    "MaskEstimation",
    "Measured",
    "NusslSeparator",
    "PrimitiveEnsemble",
    "Separator",
    "Taught",
    "Teacher",
    "Track",
    "WaveformEstimation",
    "choose_device",
    "nussl_recipes",
    "predominant_melody",
    "separate_all",
    "separate_each",
    "separator_recipe",
]
