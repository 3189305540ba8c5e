"""Long signals in overlapping pieces, and back with the sources in one order."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from audition.audio import signals
from audition.errors import ConfigError

SAME_ORDER_BONUS = 1e-3  # correlations closer than this do not change the order


def piece_bounds(num_samples, piece_samples, overlap_samples):
    """First and last-plus-one sample of each piece.

    All pieces have `piece_samples` samples, so that they go through a network together; the last
    one overlaps its neighbour by more where the length demands it.
    """
    if piece_samples is None or num_samples <= piece_samples:
        return [(0, num_samples)]
    hop = piece_samples - overlap_samples
    starts = [*range(0, num_samples - piece_samples, hop), num_samples - piece_samples]
    return [(start, start + piece_samples) for start in starts]


def seconds_to_samples(piece_seconds, overlap_seconds, sample_rate):
    """`(piece_samples, overlap_samples)`; piece_samples is None where pieces are off."""
    if piece_seconds is None:
        return None, 0
    if not 0 < overlap_seconds <= piece_seconds / 2:
        raise ConfigError(
            f"overlap_seconds = {overlap_seconds} with piece_seconds = {piece_seconds}: the overlap "
            "must be more than 0 and at most half a piece; set piece_seconds = None for no pieces."
        )
    return round(piece_seconds * sample_rate), max(1, round(overlap_seconds * sample_rate))


def cut(signal, start, stop):
    """Piece of an AudioSignal; the whole signal is handed through untouched."""
    if (start, stop) == (0, signal.signal_length):
        return signal
    return signals.cut(signal, start, stop)


def join(pieces, bounds):
    """One array out of overlapping ones, crossfaded, sources in the order of the first piece.

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


def best_order(before, after):
    """Order of `after`'s sources that correlates best with `before`'s, both `(source, channel, sample)`."""
    before, after = unit_rows(before), unit_rows(after)
    correlation = before @ after.T + SAME_ORDER_BONUS * np.eye(len(before))
    return linear_sum_assignment(correlation, maximize=True)[1]


def unit_rows(x):
    x = x.reshape(len(x), -1).astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
