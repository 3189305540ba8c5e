"""BSSEval: the scale-invariant scores of "SDR, half-baked or well done?", and museval's version 4."""

from collections.abc import Mapping

import gin
import numpy as np
import nussl
from nussl import evaluation

from audition.errors import ConfigError
from audition.identity import FORMER_WORDS, V4_SILENCE, Name
from audition.metrics.scores import (
    FLOOR_DB,
    Metric,
    decibels,
    energy,
    floored,
    is_silent,
    silent,
    stack_channels,
)

MIXTURES = ("mix", "sum_of_sources")
SCALE_COLUMNS = ("SI-SDR", "SI-SIR", "SI-SAR", "SD-SDR", "SNR", "SRR")
IMPROVEMENTS = ("SI-SDR", "SD-SDR", "SNR")
OF_THE_MIXTURE = "MIX-"  # prefix of the columns that show how hard a track is for any separator
V4_COLUMNS = ("SDR", "ISR", "SIR", "SAR")


@gin.register
class BSSEvalScale(Metric):
    """SI-SDR, SI-SIR, SI-SAR, SD-SDR, SNR, SRR; the improvements SI-SDRi, SD-SDRi, SNRi over the
    mixture; and the mixture's own MIX-SI-SDR, MIX-SD-SDR, MIX-SNR. In dB, one value per channel.

    The numbers equal those of nussl's BSSEvalScale, which a test checks, with one further choice:
    what improvements are measured against. nussl uses the sum of the sources, so removing the noise
    from a noisy mixture doesn't count as an improvement. The default here is the mixture that was
    separated; without noise the two are the same.

    Scores other than improvements have a floor of -100 dB, which is also what a silent or constant
    estimate gets for each of them, per channel; its improvements are -100 dB minus the mixture's
    score.

    Args:
        compute_permutation: see Metric.
        compute_sir_sar: False leaves SI-SIR and SI-SAR out, as NaN.
        mixture: "mix", or "sum_of_sources" to compare with nussl's tables.
    """

    def __init__(
        self,
        compute_permutation: bool = False,
        compute_sir_sar: bool = True,
        mixture: str = "mix",
    ):
        super().__init__(compute_permutation)
        if mixture not in MIXTURES:
            raise ConfigError(
                f"BSSEvalScale.mixture = {mixture!r} must be one of {', '.join(MIXTURES)}."
            )
        self.compute_sir_sar = compute_sir_sar
        self.mixture = mixture

    def score(
        self,
        references: Mapping[str, nussl.AudioSignal],
        estimates: list[nussl.AudioSignal],
        mix: nussl.AudioSignal,
    ) -> dict[str, dict[str, list[float]]]:
        sources = stack_channels(references.values())
        guesses = stack_channels(estimates)
        baseline = stack_channels([mix])[:, 0]
        if self.mixture == "sum_of_sources":
            baseline = sources.sum(axis=1)
        return {
            name: self.score_source(sources, index, guesses[:, index], baseline)
            for index, name in enumerate(references)
        }

    def score_source(
        self, sources: np.ndarray, index: int, estimate: np.ndarray, baseline: np.ndarray
    ) -> dict[str, list[float]]:
        """Scores of one source.

        Args:
            sources: `(channel, source, sample)`, zero-mean.
            index: number of the source.
            estimate, baseline: `(channel, sample)`, zero-mean.
        """
        source = sources[:, index]
        scores = distortions(source, estimate)
        of_mix = distortions(source, baseline)
        sir, sar = np.full((2, len(source)), np.nan)
        if self.compute_sir_sar:
            sir, sar = interference_and_artifacts(sources, source, estimate)
        scores |= {"SI-SIR": sir, "SI-SAR": sar}
        columns = {key: scores[key] for key in SCALE_COLUMNS}
        with np.errstate(invalid="ignore"):
            columns |= {f"{key}i": scores[key] - of_mix[key] for key in IMPROVEMENTS}
        columns |= {f"{OF_THE_MIXTURE}{key}": of_mix[key] for key in IMPROVEMENTS}
        nothing = is_silent(source)
        return {key: np.where(nothing, np.nan, value).tolist() for key, value in columns.items()}

    def of_silence(self, name: str, columns: dict[str, list[float]]) -> dict[str, list[float]]:
        return columns  # `score_source` handles silence, channel by channel


def distortions(source: np.ndarray, estimate: np.ndarray) -> dict[str, np.ndarray]:
    """SI-SDR, SD-SDR, SNR and SRR, each `(channel,)`, for signals `(channel, sample)`."""
    snr = decibels(energy(source), energy(estimate - source))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = scale_of(source, estimate)
        target = scale[:, None] * source
        scores = {
            "SI-SDR": decibels(energy(target), energy(estimate - target)),
            "SD-SDR": snr + 10 * np.log10(scale**2),
            "SNR": snr,
            "SRR": -10 * np.log10((1 - 1 / scale) ** 2),
        }
    return {key: with_floor(value, estimate) for key, value in scores.items()}


def with_floor(scores: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Scores `(channel,)` of an estimate `(channel, sample)`, raised to the floor; a silent
    estimate, whose SNR would be 0 dB, is put on it."""
    return np.where(is_silent(estimate), FLOOR_DB, floored(scores))


def scale_of(source: np.ndarray, estimate: np.ndarray) -> np.ndarray:
    """Factor that brings `source` closest to `estimate`, `(channel,)`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.einsum("cn,cn->c", source, estimate) / energy(source)


def interference_and_artifacts(
    sources: np.ndarray, source: np.ndarray, estimate: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """SI-SIR and SI-SAR, each `(channel,)`: the residual inside and outside the sources' span."""
    target = scale_of(source, estimate)[:, None] * source
    residual = estimate - target
    interference = np.empty_like(residual)
    for channel, all_sources in enumerate(sources):
        gram, onto = all_sources @ all_sources.T, all_sources @ residual[channel]
        if not np.isfinite(onto).all():
            interference[channel] = np.nan
            continue
        # least squares: a silent source makes the Gram matrix singular, and nussl fail
        interference[channel] = np.linalg.lstsq(gram, onto, rcond=None)[0] @ all_sources
    signal = energy(target)
    sir, sar = (
        decibels(signal, energy(interference)),
        decibels(signal, energy(residual - interference)),
    )
    return with_floor(sir, estimate), with_floor(sar, estimate)


@gin.register
class BSSEvalV4(Metric):
    """museval's SDR, ISR, SIR and SAR in dB, one value per window.

    Windows in which any source is silent are NaN, as in museval, and so is a source that is silent
    throughout; the others are then scored without it. museval also leaves out, for all sources, the
    windows in which any estimate is silent. Here that estimate scores -100 dB in such windows, and
    the other estimates get the scores that they would have next to audible ones.

    Args:
        compute_permutation: see Metric.
        window_seconds, hop_seconds: length and hop of the windows; museval and SiSEC use 1 s.
    """

    silence = Name(V4_SILENCE, FORMER_WORDS[V4_SILENCE])
    worst = FLOOR_DB

    def __init__(
        self,
        compute_permutation: bool = False,
        window_seconds: float = 1.0,
        hop_seconds: float = 1.0,
    ):
        super().__init__(compute_permutation)
        self.window_seconds = window_seconds
        self.hop_seconds = hop_seconds

    def score(
        self,
        references: Mapping[str, nussl.AudioSignal],
        estimates: list[nussl.AudioSignal],
        mix: nussl.AudioSignal,
    ) -> dict[str, dict[str, list[float]]]:
        pairs = dict(zip(references, estimates, strict=True))
        truth = {name: one for name, one in references.items() if not silent(one)}
        # `judge_silence` scores whatever is silent throughout
        guesses = {name: truth[name] if silent(pairs[name]) else pairs[name] for name in truth}
        scores = {name: {key: [np.nan] for key in V4_COLUMNS} for name in references}
        return scores | (self.score_audible(truth, guesses, mix.sample_rate) if truth else {})

    def score_audible(
        self,
        truth: dict[str, nussl.AudioSignal],
        guesses: dict[str, nussl.AudioSignal],
        sample_rate: int,
    ) -> dict[str, dict[str, list[float]]]:
        """Scores of sources that, like their estimates, are not silent throughout.

        Args:
            truth, guesses: dicts, name → AudioSignal.
        """
        samples = [round(s * sample_rate) for s in (self.window_seconds, self.hop_seconds)]
        scores = museval_scores(truth, guesses, *samples)
        count = len(next(iter(scores.values()))["SDR"])
        unheard = np.any([silent_windows(one, *samples, count) for one in truth.values()], axis=0)
        gaps = {n: silent_windows(one, *samples, count) & ~unheard for n, one in guesses.items()}
        if np.any(list(gaps.values())):
            scores = {
                name: museval_scores(truth, {**truth, name: guesses[name]}, *samples)[name]
                for name in truth
            }
        return {
            name: {
                key: np.where(gaps[name], FLOOR_DB, np.maximum(values, FLOOR_DB)).tolist()
                for key, values in columns.items()
            }
            for name, columns in scores.items()
        }


def museval_scores(
    truth: dict[str, nussl.AudioSignal],
    guesses: dict[str, nussl.AudioSignal],
    window: int,
    hop: int,
) -> dict[str, dict[str, list[float]]]:
    """Scores by nussl and museval: dict, name → score → list of float, one per window.

    Args:
        truth, guesses: dicts, name → AudioSignal.
        window, hop: samples.
    """
    names = list(truth)
    evaluator = evaluation.BSSEvalV4(
        list(truth.values()), list(guesses.values()), source_labels=names, window=window, hop=hop
    )
    results = evaluator.evaluate()
    return {name: results[name] for name in names}


def silent_windows(signal: nussl.AudioSignal, window: int, hop: int, count: int) -> np.ndarray:
    """Whether each of the first `count` windows is silent: to museval, if its channels sum to 0."""
    x = signal.audio_data.sum(axis=0)
    return np.array([not x[hop * t : hop * t + window].any() for t in range(count)])
