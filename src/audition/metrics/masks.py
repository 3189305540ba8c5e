"""How well the estimates show which source dominates each time-frequency bin."""

from collections.abc import Iterable, Mapping

import gin
import numpy as np
import nussl
from nussl.datasets.transforms import compute_ideal_binary_mask

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
        truth = binary_masks(references.values(), mix)
        guess = binary_masks(estimates, mix)
        return {
            name: mask_scores(truth[..., index], guess[..., index])
            for index, name in enumerate(references)
        }


def check_length(mix: nussl.AudioSignal) -> None:
    """Refuses signals shorter than a window, which nussl's STFT can't handle."""
    window = mix.stft_params.window_length
    if mix.signal_length < window:
        raise ConfigError(
            f"PrecisionRecallFScore needs tracks of at least STFTParams.window_length = {window} "
            f"samples, and this one has {mix.signal_length}: bind a shorter window, leave such "
            "tracks out of the test data, or remove the metric from evaluate.metrics."
        )


def binary_masks(signals: Iterable[nussl.AudioSignal], mix: nussl.AudioSignal) -> np.ndarray:
    """Bool array `(frequency, time, channel, source)`; a bin in which sources tie is no one's."""
    magnitudes = [np.abs(signal.stft(*mix.stft_params, overwrite=False)) for signal in signals]
    return compute_ideal_binary_mask(np.stack(magnitudes, axis=-1)).astype(bool)


def mask_scores(truth: np.ndarray, guess: np.ndarray) -> dict[str, list[float]]:
    """Scores of bool masks `(frequency, time, channel)`; 0/0 counts as 0."""
    right = (truth & guess).sum(axis=(0, 1))
    guessed, true = guess.sum(axis=(0, 1)), truth.sum(axis=(0, 1))
    values = (
        (truth == guess).mean(axis=(0, 1)),
        right / np.maximum(guessed, 1),
        right / np.maximum(true, 1),
        2 * right / np.maximum(guessed + true, 1),
    )
    return {name: value.tolist() for name, value in zip(COLUMNS, values, strict=True)}
