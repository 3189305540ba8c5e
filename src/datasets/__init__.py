"""Datasets: what is separated, learned from and listened to."""

from src.datasets import (
    audio_folder,
    corpora,
    filters,
    loud_regions,
    mixing,
    remix,
    scenes,
    selection,
    subfolder,
    transforms,
)
from src.datasets.corpus import Corpus, build_dataset
from src.datasets.excerpts import EpochBatches, Excerpts, batch_collate

__all__ = [
    "Corpus",
    "EpochBatches",
    "Excerpts",
    "batch_collate",
    "audio_folder",
    "build_dataset",
    "corpora",
    "filters",
    "loud_regions",
    "mixing",
    "remix",
    "scenes",
    "selection",
    "subfolder",
    "transforms",
]
