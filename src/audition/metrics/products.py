"""Inner products of the zero-mean signals of a track, from which all scale-invariant scores follow."""

from collections.abc import Iterable, Iterator

import numpy as np
import nussl

from audition.audio import large

SILENCE = 1e-20  # mean square of a signal that is only rounding noise around its mean
CHUNK_SAMPLES = 2**14  # as float64, those of ten signals fit into a core's cache
LEAST_SHARE = (
    1e-6  # of the energies that it is a difference of, which an energy keeps its digits at
)


class Products:
    """The inner products of signals less their means, by one pass over the samples.

    It takes float64 and a chunk of samples at a time, so memory doesn't grow with the track. What
    one pass can't tell to ten digits takes another: products of signals that are mostly offset, and
    energies of differences between signals that are almost the same.

    Args:
        signals: AudioSignals of the same shape.

    Attributes:
        num_samples: of each signal.
        gram: `(channel, signal, signal)`.
    """

    def __init__(self, signals: Iterable[nussl.AudioSignal]):
        self.arrays = [signal.audio_data for signal in signals]
        num_channels, self.num_samples = self.arrays[0].shape
        self.means = np.zeros((len(self.arrays), num_channels, 1))
        self.gram, means = self.pass_over()
        self.means = means.T[..., None]
        if (self.num_samples * means**2 > self.energies_of_signals()).any():
            self.gram, _ = self.pass_over()

    def chunks(self) -> Iterator[np.ndarray]:
        """Arrays `(channel, signal + 1, sample)`, valid until the next one; the last row is 1."""
        num_signals, num_channels, _ = self.means.shape
        chunk = np.ones((num_channels, num_signals + 1, min(CHUNK_SAMPLES, self.num_samples)))
        for block in large.blocks(self.num_samples):
            for start in range(block.start, block.stop, CHUNK_SAMPLES):
                length = min(CHUNK_SAMPLES, block.stop - start)
                for index, one in enumerate(self.arrays):
                    chunk[:, index, :length] = one[:, start : start + length]
                if self.means.any():
                    chunk[:, :-1, :length] -= self.means.transpose(1, 0, 2)
                yield chunk[:, :, :length]
            for one in self.arrays:
                large.release(one)

    def pass_over(self) -> tuple[np.ndarray, np.ndarray]:
        """The products, and by how much `means` misses the means, `(channel, signal)`."""
        # not chunk @ chunk.T, which NumPy gives to a routine three times as slow for so few rows
        products = sum(chunk[:, :-1] @ chunk.transpose(0, 2, 1) for chunk in self.chunks())
        sums = products[:, :, -1]
        offsets = sums / self.num_samples
        return products[:, :, :-1] - sums[:, :, None] * offsets[:, None, :], offsets

    def energies_of_signals(self) -> np.ndarray:
        """`(channel, signal)`."""
        return np.einsum("cii->ci", self.gram)

    def silent(self) -> np.ndarray:
        """Whether each signal is silent, or constant, `(channel, signal)`."""
        return self.energies_of_signals() <= SILENCE * self.num_samples

    def energies(self, weights: np.ndarray) -> np.ndarray:
        """Energies of weighted sums of the signals.

        Args:
            weights: `(channel, ..., signal)`.

        Returns:
            array `(channel, ...)`; NaN where a weight is.
        """
        flat = weights.reshape(len(weights), -1, weights.shape[-1])
        found = np.einsum("cki,cki->ck", flat @ self.gram, flat)
        parts = np.einsum("cki,ci->ck", flat**2, self.energies_of_signals())
        lost = found < LEAST_SHARE * parts
        if lost.any():
            found[lost] = self.measured(flat)[lost]
        return found.reshape(weights.shape[:-1])

    def measured(self, weights: np.ndarray) -> np.ndarray:
        """`energies` of weights `(channel, sum, signal)` by another pass, exact for any of them."""
        total = 0.0
        for chunk in self.chunks():
            sums = weights @ chunk[:, :-1]
            total = total + np.einsum("ckn,ckn->ck", sums, sums)
        return total
