"""BSS Eval v4: an estimate as filtered sources plus artifacts, with one set of filters per track.

Vincent, Gribonval and Févotte, "Performance measurement in blind audio source separation", IEEE TASLP
2006; Vincent et al., "First stereo audio source separation evaluation campaign", ICA 2007 (images);
Stöter, Liutkus and Ito, "The 2018 signal separation evaluation campaign", LVA/ICA 2018 (version 4).

The numbers are those of museval.metrics.bss_eval, to 1e-6 dB. museval takes transforms as long as the
track, solves one system per estimate, and makes each part of each window as a signal. Here
correlations are summed over blocks, one factor serves all estimates, and the parts are never made: by
Parseval's theorem their energies follow from spectra. So memory does not grow with the track.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft, linalg

TAPS = 512  # of the filters that a source may go through and still be the source
BLOCK = 2**14  # of the transforms, in samples
STEP = BLOCK - 2 * (TAPS - 1)  # new samples in a block
COLUMNS = ("SDR", "ISR", "SIR", "SAR")
Read = Callable[[int, int], np.ndarray]


def distortions(
    sources: Read, estimates: Read, shape: tuple[int, int, int], window: int, hop: int
) -> np.ndarray:
    """SDR, ISR, SIR and SAR in dB, `(score, source, window)`.

    Args:
        sources, estimates: functions from a start and an end in samples to `(source, channel,
            sample)`, float64, in the same order.
        shape: number of sources, channels and samples.
        window, hop: in samples; a track shorter than a window is one window.

    A window in which a source or an estimate is silent, to museval if its channels sum to 0, is NaN.
    """
    num_sources, num_channels, num_samples = shape
    both = correlations(sources, estimates, num_samples)
    filters = all_filters(both, num_sources, num_channels)
    window = min(window, num_samples)
    starts = range(0, num_samples - window + 1, hop)
    length = fft.next_fast_len(window + TAPS - 1, real=True)
    responses = [fft.rfft(one, length, axis=-1) for one in filters]
    scores = np.full((len(COLUMNS), num_sources, len(starts)), np.nan)
    for number, start in enumerate(starts):
        pair = [read(start, start + window) for read in (sources, estimates)]
        if all(one.sum(axis=1).any(axis=-1).all() for one in pair):
            spectra = [fft.rfft(one, length) for one in pair]
            scores[:, :, number] = window_scores(*spectra, *responses, length)
    return scores


def correlations(sources: Read, estimates: Read, num_samples: int) -> np.ndarray:
    """Sums over n of `z[n + lag] * source[n]`, z being the sources, then the estimates.

    Returns:
        array `(z, source, lag)`, channels of sources each for itself; lags from 1 - TAPS on.
    """
    reach, total = TAPS - 1, None
    for start in range(0, num_samples, STEP):
        stop = min(start + STEP, num_samples)
        first, last = max(0, start - reach), min(num_samples, stop + reach)
        wide = np.concatenate([flat(sources(first, last)), flat(estimates(first, last))])
        wide = np.pad(wide, [(0, 0), (first - start + reach, 0)])  # begins `reach` before the block
        narrow = fft.rfft(flat(sources(start, stop)), BLOCK)
        spectra = fft.rfft(wide, BLOCK)
        if total is None:
            total = np.zeros((len(narrow), *spectra.shape), complex)
        for sums, one in zip(total, narrow.conj(), strict=True):  # each of them fits into a cache
            sums += spectra * one
    return fft.irfft(total, BLOCK)[..., : 2 * TAPS - 1].swapaxes(0, 1)


def flat(signals: np.ndarray) -> np.ndarray:
    return signals.reshape(-1, signals.shape[-1])


def all_filters(
    both: np.ndarray, num_sources: int, num_channels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Filters that bring the sources closest to the estimates, in least squares.

    Args:
        both: what `correlations` returned.

    Returns:
        filters of all sources to each estimate's channel, `(estimate's channel, source's channel,
        tap)`, and of each source to its own estimate, `(source, estimate's channel, source's channel,
        tap)`.
    """
    count = num_sources * num_channels
    among, onto = both[:count], both[count:, :, TAPS - 1 :]
    every = solve(among, onto)
    each = [slice(n * num_channels, (n + 1) * num_channels) for n in range(num_sources)]
    return every, np.stack([solve(among[own, own], onto[own, own]) for own in each])


def solve(among: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Filters `(estimate, source, tap)`.

    Args:
        among: correlations of sources with sources, `(source, source, lag)`.
        onto: of estimates with sources at lags from 0 on, `(estimate, source, lag)`.
    """
    wanted = onto.reshape(len(onto), -1).T
    try:  # LAPACK works on columns: the transpose is the same matrix, and needs no copy
        factor = linalg.cho_factor(
            gram_matrix(among).T, lower=True, overwrite_a=True, check_finite=False
        )
        found = linalg.cho_solve(factor, wanted, check_finite=False)
    except linalg.LinAlgError:  # sources that filters turn into one another
        found = np.linalg.lstsq(gram_matrix(among), wanted, rcond=None)[0]
    return found.T.reshape(onto.shape)


def gram_matrix(among: np.ndarray) -> np.ndarray:
    """`(source and tap, source and tap)`: inner products of the sources, delayed by so many taps."""
    shifted = np.lib.stride_tricks.sliding_window_view(among, TAPS, axis=-1)[..., ::-1, :]
    size = len(among) * TAPS
    gram = shifted.transpose(0, 2, 1, 3).copy().reshape(size, size)
    gram.flat[:: size + 1] += np.finfo(float).eps  # as museval does
    return gram


def window_scores(
    truth: np.ndarray, guess: np.ndarray, every: np.ndarray, own: np.ndarray, length: int
) -> np.ndarray:
    """`(score, source)` of one window.

    Args:
        truth, guess: spectra of its sources and estimates, `(source, channel, frequency)`.
        every, own: spectra of the filters that `all_filters` returned.
        length: of the transforms, in samples.
    """
    from_all = np.einsum("esf,sf->ef", every, flat(truth)).reshape(truth.shape)
    from_own = np.einsum("necf,ncf->nef", own, truth)
    weight = np.full(truth.shape[-1], 2.0)  # of a frequency and its mirror image
    weight[0] = 1.0
    if length % 2 == 0:
        weight[-1] = 1.0

    def energy(spectra: np.ndarray) -> np.ndarray:
        return np.einsum("f,ncf->n", weight, np.square(spectra.real) + np.square(spectra.imag))

    parts = [(truth, guess), (truth, from_own), (from_own, from_all), (from_all, guess)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [
            10 * np.log10(energy(signal) / energy(signal - distorted))
            for signal, distorted in parts
        ]
    return np.stack(ratios)
