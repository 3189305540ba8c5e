"""The base class of metrics: checks, silence, and matching estimates to references."""

from collections.abc import Mapping

import numpy as np
import nussl
from scipy.optimize import linear_sum_assignment

from audition.errors import ConfigError
from audition.identity import describe
from audition.metrics.products import Products

FLOOR_DB = -100.0  # the lowest score that is a ratio in dB, which a silent estimate gets


class Metric:
    """Scores the estimates of one track; instances are sent to worker processes.

    Args:
        compute_permutation: match estimates to references by the best mean SI-SDR, for separators
            whose estimates have no known order; if there are more estimates than references, only
            the best are scored.

    A silent source can't be scored: its scores are NaN. If the source is audible but its estimate
    is silent or constant, that is as bad as it gets: all its scores are `worst`, so that it counts
    in means and tests like any other failure.

    Attributes:
        silence: what happens to silent sources, in words; part of the passport.
        worst: the lowest possible score (or the highest, if lower is better), which a silent
            estimate gets. A metric without one refuses silent estimates.
        lower_is_better: names of those of its scores that are better when lower.
        uses_stft: whether the scores depend on the test data's STFT settings.
    """

    silence = "a silent source scores NaN"
    worst = None
    lower_is_better = ()
    uses_stft = False

    def __init__(self, compute_permutation: bool = False):
        self.compute_permutation = compute_permutation

    def passport(self) -> dict:
        """JSON-able identity; scores with different passports can't be compared."""
        return {
            "class": describe(type(self)),
            "settings": describe(vars(self)),
            "silence": self.silence,
            "lower_is_better": list(self.lower_is_better),
        }

    def __call__(
        self,
        references: Mapping[str, nussl.AudioSignal],
        estimates: list[nussl.AudioSignal],
        mix: nussl.AudioSignal,
    ) -> dict[str, dict[str, list[float]]]:
        """Scores of each source.

        Args:
            references: dict, name → AudioSignal.
            estimates: list of AudioSignals, in the order of the references unless
                `compute_permutation` is set.
            mix: AudioSignal.

        Returns:
            dict, name of the source → dict, name of the score → list of float, one per channel or
            per window. NaN if the source is silent, `worst` if only its estimate is.
        """
        self.check(references, estimates)
        estimates = self.matched(references, estimates)
        scores = self.score(references, estimates, mix)
        pairs = zip(references.items(), estimates, strict=True)
        return {
            name: self.judge_silence(name, scores[name], silent(reference), silent(estimate))
            for (name, reference), estimate in pairs
        }

    def matched(
        self, references: Mapping[str, nussl.AudioSignal], estimates: list[nussl.AudioSignal]
    ) -> list[nussl.AudioSignal]:
        """The estimates to score, in the order of the references."""
        if not self.compute_permutation:
            return estimates
        return [estimates[index] for index in best_order(references, estimates)]

    def judge_silence(
        self, name: str, columns: dict[str, list[float]], no_source: bool, no_estimate: bool
    ) -> dict[str, list[float]]:
        """Scores of a source as `score` returns them, adjusted if something is silent.

        Args:
            name: name of the source.
            columns: dict, name of the score → list of float.
            no_source, no_estimate: whether the source, or its estimate, is silent throughout.
        """
        if no_source:
            return {key: [np.nan] * len(values) for key, values in columns.items()}
        return self.of_silence(name, columns) if no_estimate else columns

    def of_silence(self, name: str, columns: dict[str, list[float]]) -> dict[str, list[float]]:
        """Scores of a silent estimate of an audible source."""
        if self.worst is None:
            raise ConfigError(
                f"{type(self).__name__} doesn't say what a silent estimate scores, and "
                f"evaluate.separator gives one for {name!r}: set its attribute `worst` to the "
                "worst possible score."
            )
        return {key: [self.worst] * len(values) for key, values in columns.items()}

    def score(
        self,
        references: Mapping[str, nussl.AudioSignal],
        estimates: list[nussl.AudioSignal],
        mix: nussl.AudioSignal,
    ) -> dict[str, dict[str, list[float]]]:
        """What `__call__` returns, for as many estimates as references, in the same order."""
        raise NotImplementedError(f"{type(self).__name__} has no score method.")

    def check(
        self, references: Mapping[str, nussl.AudioSignal], estimates: list[nussl.AudioSignal]
    ) -> None:
        name = type(self).__name__
        counts = (
            f"{len(estimates)} estimate(s) for the {len(references)} sources {list(references)}"
        )
        if len(estimates) < len(references):
            raise ConfigError(
                f"evaluate.separator gives {counts}, too few to score them all: choose a separator "
                "with more estimates, or fewer sources in the test data."
            )
        if len(estimates) > len(references) and not self.compute_permutation:
            raise ConfigError(
                f"evaluate.separator gives {counts}: set {name}.compute_permutation = True to score "
                "the best match."
            )
        shapes = {one.audio_data.shape for one in [*references.values(), *estimates]}
        if len(shapes) > 1:
            raise ConfigError(
                f"{name} needs references and estimates of the same shape (channel, sample), but "
                f"got {sorted(shapes)}: choose a separator that keeps the mixture's channels, or bind "
                "evaluate.reference_channel to the one that it estimates."
            )


def decibels(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """10 log10 of a ratio of energies; ±inf if one of them is 0, NaN if both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(signal / noise)


def si_sdr(references: list[nussl.AudioSignal], estimates: list[nussl.AudioSignal]) -> np.ndarray:
    """Scale-invariant SDR in dB of each pair, `(reference, estimate, channel)`."""
    return si_sdr_of(Products([*references, *estimates]), len(references), len(estimates))


def si_sdr_of(products: Products, num_references: int, num_estimates: int) -> np.ndarray:
    """What `si_sdr` returns, of the signals that come first and of those that follow them."""
    units = np.eye(products.gram.shape[-1])
    truth, guesses = units[:num_references, None], units[num_references:][:num_estimates]
    own = products.energies_of_signals()[:, :num_references, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        scales = products.gram[:, :num_references, num_references:][..., :num_estimates] / own
        residuals = products.energies(guesses - scales[..., None] * truth)
        return decibels(scales**2 * own, residuals).transpose(1, 2, 0)


def silent(signal: nussl.AudioSignal) -> bool:
    """Whether an AudioSignal is silent, or constant, in all its channels."""
    return bool(Products([signal]).silent().all())


def floored(scores: np.ndarray) -> np.ndarray:
    """Scores in dB, none below the floor; undefined ones are put on the floor, too."""
    return np.fmax(scores, FLOOR_DB)


def best_order(references: dict, estimates: list) -> np.ndarray:
    """Index of the estimate for each reference, in the one-to-one match of best mean SI-SDR."""
    return best_match(si_sdr(list(references.values()), estimates))


def best_match(pairs: np.ndarray) -> np.ndarray:
    """`best_order` of what `si_sdr` returned."""
    return linear_sum_assignment(finite_means(pairs), maximize=True)[1]


def finite_means(pairs: np.ndarray) -> np.ndarray:
    """Mean over the last axis (channel), with NaN and ±inf replaced by numbers that can be compared:
    an undefined score, such as the SI-SDR of a silent estimate, counts as the worst."""
    return floored(np.minimum(pairs, 1e3)).mean(axis=-1)
