"""Cuts long signals into overlapping pieces, and joins them with the sources in one order."""

import numpy as np
import nussl
from scipy.optimize import linear_sum_assignment

from audition.audio import large, signals
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


class Joined:
    """Pieces that are crossfaded as they come, in any order: one array, its sources in the first
    piece's order.

    Args:
        bounds: list of `(start, stop)`, in samples, in order.

    Attributes:
        audio: array `(source, channel, sample)`, of what came so far; None before the first piece.
    """

    def __init__(self, bounds: list[tuple[int, int]]):
        self.bounds = bounds
        self.audio = None
        self.waiting = {}  # number → piece, of pieces whose predecessors are missing
        self.count = 0  # pieces that are joined

    @property
    def is_complete(self) -> bool:
        return self.count == len(self.bounds)

    def add(self, index: int, piece: np.ndarray) -> None:
        """Adds piece `index`, an array `(source, channel, sample)`.

        Raises:
            ValueError: it has another number of sources than those before it.
        """
        self.waiting[index] = piece
        while self.count in self.waiting:
            self.append(self.waiting.pop(self.count))

    def append(self, piece: np.ndarray) -> None:
        if self.audio is None:
            self.audio = large.empty((*piece.shape[:2], self.bounds[-1][1]), piece.dtype)
        if len(piece) != len(self.audio):
            raise ValueError("its pieces have different numbers of estimates")
        start, stop = self.bounds[self.count]
        end = self.bounds[self.count - 1][1] if self.count else 0
        overlap = end - start
        if self.count and overlap > 0:
            before = self.audio[..., start:end]
            piece = piece[best_order(before, piece[..., :overlap])]
            fade_in = (np.arange(overlap, dtype=piece.dtype) + 0.5) / overlap
            before *= 1 - fade_in
            before += piece[..., :overlap] * fade_in
        self.audio[..., end:stop] = piece[..., end - start :]
        large.release(self.audio)
        self.count += 1


def best_order(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The order of `after`'s sources that best matches `before`'s, both `(source, …, sample)`."""
    before, after = unit_rows(before), unit_rows(after)
    correlation = before @ after.T + SAME_ORDER_BONUS * np.eye(len(before))
    return linear_sum_assignment(correlation, maximize=True)[1]


def unit_rows(x: np.ndarray) -> np.ndarray:
    x = x.reshape(len(x), -1).astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
