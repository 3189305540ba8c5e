"""Separators: anything that turns a mixture into estimates.

To add one, write a class with a `finish` method (and `on_device`, where it has a network); see base.py.
"""

from audition.separators.base import Separation, Separator
from audition.separators.ensembles import PrimitiveEnsemble
from audition.separators.loop import LoopSettings, Track, separate_all, separate_each
from audition.separators.melody import predominant_melody
from audition.separators.networks import EmbeddingClustering, MaskEstimation, WaveformEstimation
from audition.separators.nussl_separators import (
    SEPARATORS,
    NusslSeparator,
    nussl_recipes,
    separator_recipe,
)
from audition.separators.rehearsal import rehearse
from audition.separators.toolkits import (
    AsteroidModel,
    BSRoformerModel,
    DemucsModel,
    OpenUnmixModel,
    SpeechBrainSeparator,
)
from audition.separators.trackers import (
    EssentiaMelodia,
    HarmonicSummation,
    MelodyTracker,
    PYin,
)
from audition.separators.trained import TrainedSeparator, load_separator

__all__ = [
    "SEPARATORS",
    "AsteroidModel",
    "BSRoformerModel",
    "DemucsModel",
    "EmbeddingClustering",
    "EssentiaMelodia",
    "HarmonicSummation",
    "LoopSettings",
    "MaskEstimation",
    "MelodyTracker",
    "NusslSeparator",
    "OpenUnmixModel",
    "PYin",
    "PrimitiveEnsemble",
    "Separation",
    "Separator",
    "SpeechBrainSeparator",
    "Track",
    "TrainedSeparator",
    "WaveformEstimation",
    "load_separator",
    "nussl_recipes",
    "predominant_melody",
    "rehearse",
    "separate_all",
    "separate_each",
    "separator_recipe",
]
