"""Which frequencies of an STFT make a band."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import librosa

from audition.errors import ConfigError

V7 = ((10, 100), (12, 250), (8, 500), (8, 1000), (2, 2000))  # BSRNN's: bands, Hz; the rest is one
# frequencies of each band of BS-RoFormer, of the 1025 of a window of 2048 samples
ROFORMER = tuple(24 * [2] + 12 * [4] + 8 * [12] + 8 * [24] + 8 * [48] + [128, 129])


def of_hertz(
    bands: Sequence[tuple[int, float]], sample_rate: int, num_frequencies: int
) -> list[range]:
    """Frequencies of each band; those above the highest one that is named are one more."""
    per_hz = num_frequencies / (sample_rate / 2)
    widths = [max(1, int(hz * per_hz)) for count, hz in bands for _ in range(count)]
    return [band for band in consecutive([*widths, num_frequencies], num_frequencies) if band]


def consecutive(widths: Sequence[int], num_frequencies: int) -> list[range]:
    """Ranges of so many frequencies, one after the other, none beyond the last frequency."""
    stops = [min(stop, num_frequencies) for stop in accumulate(widths, initial=0)]
    return [range(*ends) for ends in pairwise(stops)]


def of_mels(num_bands: int, sample_rate: int, window_length: int) -> list[list[int]]:
    """Frequencies that each filter of a mel filterbank lets through; the ends go with their neighbours."""
    passes = librosa.filters.mel(sr=sample_rate, n_fft=window_length, n_mels=num_bands) > 0
    passes[0, 0] = passes[-1, -1] = True
    if not passes.any(axis=1).all():
        raise ConfigError(
            f"MelBandRoFormer.num_bands = {num_bands} leaves bands without a frequency: lower it, or "
            f"give a window_length above {window_length}."
        )
    return [band.nonzero()[0].tolist() for band in passes]
