"""Separated audio on disk: a folder per track, a file per estimate."""

import itertools

import soundfile

from audition.audio.files import write_wav
from audition.audio.signals import signal_like


def write_estimates(folder, sources, estimates):
    """32-bit float .wav files, which neither clip nor round; named as the sources, then numbered.

    Args:
        folder: of the track.
        sources: names of the sources.
        estimates: list of AudioSignals, as the separator gave them; there may be more than sources.
    """
    names = [*sources, *(f"estimate{number}" for number in range(len(sources), len(estimates)))]
    for name, estimate in zip(names, estimates, strict=False):
        path = folder / f"{name}.wav"
        write_wav(path, estimate.audio_data.T, estimate.sample_rate, "FLOAT")
    for path in numbered(folder, max(len(sources), len(estimates))):
        path.unlink()  # of an earlier separator, which gave more


def has_estimates(folder, sources):
    return all((folder / f"{source}.wav").is_file() for source in sources)


def read_estimates(folder, sources, mix):
    """What `write_estimates` wrote, in its order, as AudioSignals like `mix`."""
    paths = [*(folder / f"{source}.wav" for source in sources), *numbered(folder, len(sources))]
    audio = (soundfile.read(path, always_2d=True)[0].T for path in paths)
    return [signal_like(mix, one) for one in audio]


def numbered(folder, first):
    """The files estimate<first>.wav, estimate<first + 1>.wav, … that are there."""
    paths = (folder / f"estimate{number}.wav" for number in itertools.count(first))
    return list(itertools.takewhile(lambda path: path.is_file(), paths))
