"""Datasets: the audio that models are trained on and that separators are given."""

from audition.datasets import audio_folder, corpora, filters, transforms
from audition.datasets.corpora import Corpus
from audition.datasets.excerpts import EpochBatches, Excerpts, batch_collate
from audition.datasets.split import Split, build_dataset

__all__ = [
    "Corpus",
    "EpochBatches",
    "Excerpts",
    "Split",
    "audio_folder",
    "batch_collate",
    "build_dataset",
    "corpora",
    "filters",
    "transforms",
]
