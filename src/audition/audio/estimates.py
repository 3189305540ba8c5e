"""Separated audio on disk: a folder per track, a file per estimate."""

import itertools
from pathlib import Path

import numpy as np
import nussl
import soundfile

from audition.audio.files import write_wav
from audition.audio.signals import signal_like


def write_estimates(
    folder: Path, sources: list[str], estimates: list[nussl.AudioSignal]
) -> list[Path]:
    """Writes 32-bit float .wav files, which neither clip nor round; returns their paths.

    The first estimates are named after the sources, any further ones are numbered.

    Args:
        folder: the track's folder.
        sources: names of the sources.
        estimates: AudioSignals in the separator's order; there may be more of them than sources.
    """
    names = [*sources, *(f"estimate{number}" for number in range(len(sources), len(estimates)))]
    paths = [folder / f"{name}.wav" for name, _ in zip(names, estimates, strict=False)]
    for path, estimate in zip(paths, estimates, strict=True):
        write_wav(path, estimate.audio_data.T, estimate.sample_rate, "FLOAT")
    for path in numbered(folder, max(len(sources), len(estimates))):
        path.unlink()  # left by an earlier separator that gave more estimates
    return paths


def has_estimates(folder: Path, sources: list[str]) -> bool:
    return all((folder / f"{source}.wav").is_file() for source in sources)


def read_estimates(
    folder: Path, sources: list[str], mix: nussl.AudioSignal
) -> list[nussl.AudioSignal]:
    """AudioSignals like `mix` of what `write_estimates` wrote, in the same order."""
    paths = [*(folder / f"{source}.wav" for source in sources), *numbered(folder, len(sources))]
    return [signal_like(mix, read(path)) for path in paths]


def read(path: Path) -> np.ndarray:
    """`(channel, sample)`; of a file that may not be read, an OSError, which says so, and soundfile's
    own doesn't."""
    with path.open("rb") as file:
        return soundfile.read(file, always_2d=True)[0].T


def numbered(folder: Path, first: int) -> list[Path]:
    """The existing files among estimate<first>.wav, estimate<first + 1>.wav, …"""
    paths = (folder / f"estimate{number}.wav" for number in itertools.count(first))
    return list(itertools.takewhile(lambda path: path.is_file(), paths))
