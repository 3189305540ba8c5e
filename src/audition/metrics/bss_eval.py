"""BSSEval: the scale-invariant scores of "SDR, half-baked or well done?", and museval's version 4."""

import gin
import numpy as np
from nussl import evaluation

from audition.errors import ConfigError
from audition.metrics.scores import Metric, decibels, energy, is_silent, stack_channels

MIXTURES = ("mix", "sum_of_sources")
SCALE_COLUMNS = ("SI-SDR", "SI-SIR", "SI-SAR", "SD-SDR", "SNR", "SRR")
IMPROVEMENTS = ("SI-SDR", "SD-SDR", "SNR")
OF_THE_MIXTURE = "MIX-"  # begins the columns that tell how hard a track is, whoever separates it
V4_COLUMNS = ("SDR", "ISR", "SIR", "SAR")


@gin.register
class BSSEvalScale(Metric):
    """SI-SDR, SI-SIR, SI-SAR, SD-SDR, SNR, SRR; the improvements SI-SDRi, SD-SDRi, SNRi over the
    mixture; and the mixture's own MIX-SI-SDR, MIX-SD-SDR, MIX-SNR. In dB, a value per channel.

    The numbers are nussl's BSSEvalScale's (a test holds them together), with one choice more: what
    improvements are measured against. nussl takes the sum of the sources, so in noisy mixtures the
    noise that was removed does not count. The default here is the mixture that was separated; for
    mixtures without noise the two are the same.

    Args:
        compute_permutation: see Metric.
        compute_sir_sar: False leaves SI-SIR and SI-SAR out, as NaN.
        mixture: "mix", or "sum_of_sources" to compare with nussl's tables.
    """

    def __init__(self, compute_permutation=False, compute_sir_sar=True, mixture="mix"):
        super().__init__(compute_permutation)
        if mixture not in MIXTURES:
            raise ConfigError(
                f"BSSEvalScale.mixture = {mixture!r}: it is one of {', '.join(MIXTURES)}."
            )
        self.compute_sir_sar = compute_sir_sar
        self.mixture = mixture

    def score(self, references, estimates, mix):
        sources = stack_channels(references.values())
        guesses = stack_channels(estimates)
        baseline = stack_channels([mix])[:, 0]
        if self.mixture == "sum_of_sources":
            baseline = sources.sum(axis=1)
        return {
            name: self.score_source(sources, index, guesses[:, index], baseline)
            for index, name in enumerate(references)
        }

    def score_source(self, sources, index, estimate, baseline):
        """Scores of one source.

        Args:
            sources: `(channel, source, sample)`, zero-mean.
            index: which of them.
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
        silent = is_silent(source)
        return {key: np.where(silent, np.nan, value).tolist() for key, value in columns.items()}


def distortions(source, estimate):
    """Dict of SI-SDR, SD-SDR, SNR and SRR, each `(channel,)`, of signals `(channel, sample)`."""
    source_energy = energy(source)
    snr = decibels(source_energy, energy(estimate - source))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = scale_of(source, estimate)
        target = scale[:, None] * source
        return {
            "SI-SDR": decibels(energy(target), energy(estimate - target)),
            "SD-SDR": snr + 10 * np.log10(scale**2),
            "SNR": snr,
            "SRR": -10 * np.log10((1 - 1 / scale) ** 2),
        }


def scale_of(source, estimate):
    """Factor that brings `source` closest to `estimate`, `(channel,)`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.einsum("cn,cn->c", source, estimate) / energy(source)


def interference_and_artifacts(sources, source, estimate):
    """SI-SIR and SI-SAR, each `(channel,)`: the residual in, and out of, the span of the sources."""
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
    return decibels(signal, energy(interference)), decibels(signal, energy(residual - interference))


@gin.register
class BSSEvalV4(Metric):
    """museval's SDR, ISR, SIR and SAR in dB, a value per window.

    Windows in which any source or estimate is silent are NaN, as in museval. A source that is silent
    throughout, or whose estimate is, scores NaN, and the others are scored without it.

    Args:
        compute_permutation: see Metric.
        window_seconds, hop_seconds: length and distance of the windows; museval's and SiSEC's are 1 s.
    """

    silence = "windows with a silent source or estimate are NaN, and left out of the median"

    def __init__(self, compute_permutation=False, window_seconds=1.0, hop_seconds=1.0):
        super().__init__(compute_permutation)
        self.window_seconds = window_seconds
        self.hop_seconds = hop_seconds

    def score(self, references, estimates, mix):
        pairs = dict(zip(references, estimates, strict=True))
        audible = [
            name
            for name in references
            if references[name].audio_data.any() and pairs[name].audio_data.any()
        ]
        scores = {name: {key: [np.nan] for key in V4_COLUMNS} for name in references}
        if audible:
            evaluator = evaluation.BSSEvalV4(
                [references[name] for name in audible],
                [pairs[name] for name in audible],
                source_labels=audible,
                window=round(self.window_seconds * mix.sample_rate),
                hop=round(self.hop_seconds * mix.sample_rate),
            )
            results = evaluator.evaluate()
            scores |= {name: results[name] for name in audible}
        return scores
