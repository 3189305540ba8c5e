"""Which items of a dataset stay: a filter is called with (dataset, item) and says so."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path

import gin
import numpy as np
import nussl
import soundfile

from audition.audio.files import unreadable
from audition.errors import ConfigError


@gin.register
@dataclass(frozen=True)
class LongerThan:
    """Keeps items of more than `seconds`."""

    seconds: float

    def __call__(self, dataset, item):
        return duration_seconds(dataset, item) > self.seconds


@gin.register
@dataclass(frozen=True)
class ShorterThan:
    """Keeps items of less than `seconds`, to bound the memory of evaluation."""

    seconds: float

    def __call__(self, dataset, item):
        return duration_seconds(dataset, item) < self.seconds


@gin.register
@dataclass(frozen=True)
class NotSilent:
    """Keeps items whose every source is louder than `threshold_db` (RMS, dB of full scale).

    Reads the audio; SI-SDR of a silent source is not defined.
    """

    threshold_db: float = -60.0

    def __call__(self, dataset, item):
        sources = dataset.process_item(item)["sources"].values()
        threshold = 10 ** (self.threshold_db / 20)
        return all(np.sqrt(np.mean(s.audio_data**2)) > threshold for s in sources)


@gin.register
@dataclass(frozen=True)
class NamedLike:
    """Keeps items whose mixture's file name, without its extension, is like one of `patterns`.

    A pattern may hold *, ? and [seq], as in a shell; one alone needs no list.
    """

    patterns: tuple | str

    def __call__(self, dataset, item):
        path = mix_path(dataset, item)
        if path is None:
            raise ConfigError(
                f"NamedLike chooses by file name, and {type(dataset).__name__} has no files: take it "
                "out of build_dataset.filters."
            )
        patterns = [self.patterns] if isinstance(self.patterns, str) else self.patterns
        return any(fnmatch.fnmatchcase(path.stem, pattern) for pattern in patterns)


def duration_seconds(dataset, item):
    """Duration of an item's mix, from the header of its file where there is one.

    Raises:
        ConfigError: that file is no audio.
    """
    if isinstance(dataset, nussl.datasets.MUSDB18):
        return dataset.musdb[item].duration
    path = mix_path(dataset, item)
    if path is None:
        return dataset.process_item(item)["mix"].signal_duration
    try:
        header = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise unreadable(path, error) from error
    return header.frames / header.samplerate


def audio_paths(dataset, item):
    """Paths of the files that an item is read from, its mix's first; [] where there is none."""
    mix = mix_path(dataset, item)
    if mix is None:
        return []
    if isinstance(dataset, nussl.datasets.MUSDB18):
        sources = [source.path for source in dataset.musdb[item].sources.values()]
    elif isinstance(dataset, nussl.datasets.MixSourceFolder):
        sources = [Path(dataset.folder, source, item) for source in dataset.source_folders]
    elif isinstance(dataset, nussl.datasets.Scaper):
        sources = dataset._get_info_from_item(item)[3]
    else:
        sources = []
    return list(dict.fromkeys([mix, *map(Path, sources)]))


def mix_path(dataset, item):
    """Path of the file of an item's mix (its first source where the mix is the sum), or None."""
    if hasattr(dataset, "mix_path"):
        return dataset.mix_path(item)
    if isinstance(dataset, nussl.datasets.MUSDB18):
        return Path(dataset.musdb[item].path)
    if isinstance(dataset, nussl.datasets.MixSourceFolder):
        mix_folder = dataset.source_folders[0] if dataset.make_mix else dataset.mix_folder
        return Path(dataset.folder, mix_folder, item)
    if isinstance(dataset, nussl.datasets.Scaper):
        return Path(dataset._get_info_from_item(item)[2])
    return None
