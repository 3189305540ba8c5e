"""What every metric shares: its call, its checks, and the choice of the order of the estimates."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from audition.errors import ConfigError
from audition.identity import describe

SILENCE = 1e-20  # mean square of a signal that is only rounding noise around its mean
FLOOR_DB = -100.0  # of every score that is a ratio in dB: what a silent estimate gets


class Metric:
    """Scores the estimates of one track; the instance travels to worker processes.

    Args:
        compute_permutation: match estimates to references by the best mean SI-SDR, for separators
            that give their estimates in no known order; with more estimates than references, the
            best ones are scored.

    A source that is silent can't be scored: NaN. An estimate that is silent, or constant, of a source
    that isn't, is the worst there is: every score of it is `worst`, so that it counts in means and
    tests like any other failure.

    Attributes:
        silence: what becomes of silent sources, in words; part of its passport.
        worst: the value that no estimate can fall below (or rise above, where lower is better): what
            a silent estimate scores. A metric without one refuses silent estimates.
        lower_is_better: the scores, of those it gives, of which that is true.
        uses_stft: whether its numbers depend on the STFT settings of the test data.
    """

    silence = "a silent source scores NaN"
    worst = None
    lower_is_better = ()
    uses_stft = False

    def __init__(self, compute_permutation=False):
        self.compute_permutation = compute_permutation

    def passport(self):
        """JSON-able: scores of different passports are not of one kind."""
        return {
            "class": describe(type(self)),
            "settings": describe(vars(self)),
            "silence": self.silence,
            "lower_is_better": list(self.lower_is_better),
        }

    def __call__(self, references, estimates, mix):
        """Scores of each source.

        Args:
            references: dict, name → AudioSignal.
            estimates: list of AudioSignals, in the order of the references unless
                `compute_permutation` is set.
            mix: AudioSignal.

        Returns:
            dict, name of the source → dict, name of the score → list of float, one per channel or
            per window. NaN where a source is silent, `worst` where its estimate is and it isn't.
        """
        self.check(references, estimates)
        estimates = self.matched(references, estimates)
        scores = self.score(references, estimates, mix)
        pairs = zip(references.items(), estimates, strict=True)
        return {
            name: self.judge_silence(name, scores[name], silent(reference), silent(estimate))
            for (name, reference), estimate in pairs
        }

    def matched(self, references, estimates):
        """The estimates that are scored, in the order of the references."""
        if not self.compute_permutation:
            return estimates
        return [estimates[index] for index in best_order(references, estimates)]

    def judge_silence(self, name, columns, no_source, no_estimate):
        """Scores of a source as `score` gives them, with what silence makes of them.

        Args:
            name: of the source.
            columns: dict, name of the score → list of float.
            no_source, no_estimate: whether the source, or its estimate, is silent throughout.
        """
        if no_source:
            return {key: [np.nan] * len(values) for key, values in columns.items()}
        return self.of_silence(name, columns) if no_estimate else columns

    def of_silence(self, name, columns):
        """Scores of a silent estimate of a source that isn't."""
        if self.worst is None:
            raise ConfigError(
                f"{type(self).__name__} doesn't say what a silent estimate is worth, and "
                f"evaluate.separator gives one of {name!r}: set its attribute `worst`, the lowest "
                "score that there can be."
            )
        return {key: [self.worst] * len(values) for key, values in columns.items()}

    def score(self, references, estimates, mix):
        """`__call__` for as many estimates as references, in their order."""
        raise NotImplementedError(f"{type(self).__name__} has no score method.")

    def check(self, references, estimates):
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
                f"{name} wants references and estimates of one shape (channel, sample), but got "
                f"{sorted(shapes)}: choose a separator that keeps the mixture's channels."
            )


def stack_channels(signals):
    """Zero-mean array `(channel, signal, sample)`, float64."""
    x = np.stack([signal.audio_data for signal in signals], axis=1).astype(np.float64)
    return x - x.mean(axis=-1, keepdims=True)


def energy(x):
    """Sum of squares over the last axis."""
    return np.einsum("...n,...n->...", x, x)


def decibels(signal, noise):
    """10 log10 of a ratio of energies; ±inf and NaN where one or both vanish."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(signal / noise)


def si_sdr(reference, estimate):
    """Scale-invariant SDR in dB over the last axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.einsum("...n,...n->...", reference, estimate) / energy(reference)
        target = scale[..., None] * reference
        return decibels(energy(target), energy(estimate - target))


def is_silent(x):
    """Whether there is nothing in the zero-mean signals `(..., sample)`."""
    return energy(x) <= SILENCE * x.shape[-1]


def silent(signal):
    """Whether an AudioSignal is silent, or constant, in all its channels."""
    return bool(is_silent(stack_channels([signal])).all())


def floored(scores):
    """Scores in dB, none below the floor; one that isn't defined is there, too."""
    return np.fmax(scores, FLOOR_DB)


def best_order(references, estimates):
    """Index of the estimate for each reference: the one-to-one match of the highest mean SI-SDR."""
    truth, guesses = stack_channels(references.values()), stack_channels(estimates)
    pairs = [
        [si_sdr(truth[:, j], guess) for guess in guesses.swapaxes(0, 1)]
        for j in range(truth.shape[1])
    ]
    return linear_sum_assignment(finite_means(np.array(pairs)), maximize=True)[1]


def finite_means(pairs):
    """Mean over the last axis (channel), with NaN and ±inf as numbers that can be compared: what is
    not defined, as the SI-SDR of a silent estimate, is as bad as can be."""
    return floored(np.minimum(pairs, 1e3)).mean(axis=-1)
