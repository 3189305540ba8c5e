"""Filters: each is called with (dataset, item) and returns whether the item stays."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gin
import numpy as np
import nussl

from audition.datasets.items import described
from audition.errors import ConfigError


@gin.register
@dataclass(frozen=True)
class LongerThan:
    """Keeps items longer than `seconds`."""

    seconds: float

    def __call__(self, dataset: nussl.datasets.BaseDataset, item: Any) -> bool:
        return described(dataset).duration_seconds(item) > self.seconds


@gin.register
@dataclass(frozen=True)
class ShorterThan:
    """Keeps items shorter than `seconds`, to limit the memory that evaluation takes."""

    seconds: float

    def __call__(self, dataset: nussl.datasets.BaseDataset, item: Any) -> bool:
        return described(dataset).duration_seconds(item) < self.seconds


@gin.register
@dataclass(frozen=True)
class NotSilent:
    """Keeps items in which every source is louder than `threshold_db` (RMS, dB of full scale).

    The SI-SDR of a silent source is undefined. This filter reads the audio.
    """

    threshold_db: float = -60.0

    def __call__(self, dataset: nussl.datasets.BaseDataset, item: Any) -> bool:
        sources = dataset.process_item(item)["sources"].values()
        threshold = 10 ** (self.threshold_db / 20)
        return all(np.sqrt(np.mean(s.audio_data**2)) > threshold for s in sources)


@gin.register
@dataclass(frozen=True)
class NamedLike:
    """Keeps items whose mixture's file name, without its extension, matches one of `patterns`.

    A pattern may contain *, ? and [seq], as in a shell; a single one may be given without a list.
    """

    patterns: tuple | str

    def __call__(self, dataset: nussl.datasets.BaseDataset, item: Any) -> bool:
        files = described(dataset).item_files(item)
        if not files:
            raise ConfigError(
                f"NamedLike chooses by file name, and {type(dataset).__name__} has no files: "
                "remove it from build_dataset.filters."
            )
        patterns = [self.patterns] if isinstance(self.patterns, str) else self.patterns
        return any(fnmatch.fnmatchcase(Path(files[0]).stem, pattern) for pattern in patterns)
