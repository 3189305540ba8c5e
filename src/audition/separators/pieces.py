"""Cuts long signals into overlapping pieces, and joins them with the sources in one order."""

import numpy as np
import nussl
from scipy.optimize import linear_sum_assignment

from audition.audio import signals
from audition.errors import ConfigError

SAME_ORDER_BONUS = 1e-3  # correlations closer than this don't change the order


def piece_bounds(
    num_samples: int, piece_samples: int | None, overlap_samples: int
) -> list[tuple[int, int]]:
    """Start and stop of each piece, in samples; the stop is exclusive.

    All pieces have `piece_samples` samples, so that they go through a network together; the last
    one may overlap its neighbour by more than the others do.
    """
    if piece_samples is None or num_samples <= piece_samples:
        return [(0, num_samples)]
    hop = piece_samples - overlap_samples
    starts = [*range(0, num_samples - piece_samples, hop), num_samples - piece_samples]
    return [(start, start + piece_samples) for start in starts]


def seconds_to_samples(
    piece_seconds: float | None, overlap_seconds: float, sample_rate: int
) -> tuple[int | None, int]:
    """`(piece_samples, overlap_samples)`; piece_samples is None if pieces are off."""
    if piece_seconds is None:
        return None, 0
    if not 0 < overlap_seconds <= piece_seconds / 2:
        raise ConfigError(
            f"overlap_seconds = {overlap_seconds} with piece_seconds = {piece_seconds}: the "
            "overlap must be more than 0 and at most half a piece; set piece_seconds = None for no "
            "pieces."
        )
    return round(piece_seconds * sample_rate), max(1, round(overlap_seconds * sample_rate))


def cut(signal: nussl.AudioSignal, start: int, stop: int) -> nussl.AudioSignal:
    """A piece of an AudioSignal; if it is the whole signal, that same object."""
    if (start, stop) == (0, signal.signal_length):
        return signal
    return signals.cut(signal, start, stop)


def join(pieces: list[np.ndarray], bounds: list[tuple[int, int]]) -> np.ndarray:
    """Crossfades overlapping pieces into one array, its sources in the first piece's order.

    Args:
        pieces: list of arrays `(source, channel, sample)`.
        bounds: list of `(start, stop)`, in samples, in order.

    Returns:
        array `(source, channel, sample)`.
    """
    joined = np.zeros((*pieces[0].shape[:2], bounds[-1][1]), dtype=pieces[0].dtype)
    end = 0
    for piece, (start, stop) in zip(pieces, bounds, strict=True):
        overlap = end - start
        if overlap > 0:
            piece = piece[best_order(joined[..., start:end], piece[..., :overlap])]
            fade_in = (np.arange(overlap, dtype=piece.dtype) + 0.5) / overlap
            joined[..., start:end] *= 1 - fade_in
            joined[..., start:end] += piece[..., :overlap] * fade_in
        joined[..., end:stop] = piece[..., end - start :]
        end = stop
    return joined


def best_order(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The order of `after`'s sources that best matches `before`'s, both `(source, …, sample)`."""
    before, after = unit_rows(before), unit_rows(after)
    correlation = before @ after.T + SAME_ORDER_BONUS * np.eye(len(before))
    return linear_sum_assignment(correlation, maximize=True)[1]


def unit_rows(x: np.ndarray) -> np.ndarray:
    x = x.reshape(len(x), -1).astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
