"""How well the estimates show which source dominates each time-frequency bin."""

from collections.abc import Iterator, Mapping, Sequence

import gin
import numpy as np
import nussl
import scipy.signal
from nussl.datasets.transforms import compute_ideal_binary_mask

from audition.audio import large
from audition.audio.stft import count_frames
from audition.errors import ConfigError
from audition.metrics.scores import Metric

COLUMNS = ("Accuracy", "Precision", "Recall", "F1-Score")


@gin.register
class PrecisionRecallFScore(Metric):
    """Accuracy, Precision, Recall and F1-Score of binary masks, 0 to 1, one value per channel.

    A source's mask is 1 where its magnitude is the largest; the true masks come from the references
    and the guessed ones from the estimates, with the mixture's STFT settings. The numbers are those
    of nussl's PrecisionRecallFScore for these masks; a silent estimate scores 0.
    """

    silence = "bins in which all are silent are nobody's"
    worst = 0.0
    uses_stft = True

    def score(
        self,
        references: Mapping[str, nussl.AudioSignal],
        estimates: list[nussl.AudioSignal],
        mix: nussl.AudioSignal,
    ) -> dict[str, dict[str, list[float]]]:
        check_length(mix)
        signals = [*references.values(), *estimates]
        counts = sum(
            count(*np.split(magnitudes, [len(references)], axis=-1))
            for magnitudes in magnitudes_in_blocks(signals, mix.stft_params)
        )
        return {name: mask_scores(*counts[..., i]) for i, name in enumerate(references)}


def check_length(mix: nussl.AudioSignal) -> None:
    """Refuses signals shorter than a window, which nussl's STFT can't handle."""
    window = mix.stft_params.window_length
    if mix.signal_length < window:
        raise ConfigError(
            f"PrecisionRecallFScore needs tracks of at least STFTParams.window_length = {window} "
            f"samples, and this one has {mix.signal_length}: bind a shorter window, leave such "
            "tracks out of the test data, or remove the metric from evaluate.metrics."
        )


def magnitudes_in_blocks(
    signals: Sequence[nussl.AudioSignal], stft_params: nussl.STFTParams
) -> Iterator[np.ndarray]:
    """Magnitudes `(frequency, time, channel, signal)`, some frames at a time: those of nussl's STFT."""
    length, hop, window_type = stft_params
    window = nussl.AudioSignal.get_window(window_type, length)
    num_frames = count_frames(signals[0].signal_length, stft_params)
    for frames in large.blocks(num_frames, max(1, large.BLOCK_SAMPLES // hop)):
        start, stop = (frame * hop - length // 2 for frame in (frames.start, frames.stop - 1))
        stack = [cut_with_zeros(one.audio_data, start, stop + length) for one in signals]
        found = scipy.signal.stft(
            np.stack(stack, axis=-1), 1.0, window, length, length - hop,
            boundary=None, padded=False, axis=1,
        )[2]  # (channel, frequency, signal, time)  # fmt: skip
        yield np.abs(found).transpose(1, 3, 0, 2)


def cut_with_zeros(audio: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Samples of `(channel, sample)` from start to stop, zeros where there are none."""
    piece = np.zeros((len(audio), stop - start), audio.dtype)
    inside = slice(max(start, 0), min(stop, audio.shape[1]))
    piece[:, inside.start - start : inside.stop - start] = audio[:, inside]
    large.release(audio)
    return piece


def count(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Numbers of bins `(kind, channel, source)`: all, those in which the masks agree, are both 1, and
    where the estimates' is 1, the references' is 1; a bin in which sources tie is no one's.

    Args:
        references, estimates: magnitudes `(frequency, time, channel, source)`.
    """
    truth, guess = (compute_ideal_binary_mask(one).astype(bool) for one in (references, estimates))
    bins = np.ones_like(truth), truth == guess, truth & guess, guess, truth
    return np.stack([one.sum(axis=(0, 1)) for one in bins])


def mask_scores(
    num_bins: np.ndarray, same: np.ndarray, right: np.ndarray, guessed: np.ndarray, true: np.ndarray
) -> dict[str, list[float]]:
    """Scores from numbers of bins `(channel,)`; 0/0 counts as 0."""
    values = (
        same / num_bins,
        right / np.maximum(guessed, 1),
        right / np.maximum(true, 1),
        2 * right / np.maximum(guessed + true, 1),
    )
    return {name: value.tolist() for name, value in zip(COLUMNS, values, strict=True)}
