"""BSSEval: the scale-invariant scores of "SDR, half-baked or well done?", and museval's version 4."""

from collections.abc import Callable, Mapping

import gin
import numpy as np
import nussl

from audition.audio import large
from audition.errors import ConfigError
from audition.identity import FORMER_WORDS, V4_SILENCE, Name
from audition.metrics.distortion_filters import COLUMNS, distortions
from audition.metrics.scores import (
    FLOOR_DB,
    Centred,
    Metric,
    decibels,
    energy,
    floored,
    is_silent,
    silent,
)

ESTIMATES, MIXTURE = 0, 1  # sides that the sources are compared with
MIXTURES = ("mix", "sum_of_sources")
SCALE_COLUMNS = ("SI-SDR", "SI-SIR", "SI-SAR", "SD-SDR", "SNR", "SRR")
IMPROVEMENTS = ("SI-SDR", "SD-SDR", "SNR")
OF_THE_MIXTURE = "MIX-"  # prefix of the columns that show how hard a track is for any separator


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
        x = Centred([*references.values(), *estimates, mix])
        sums = Sums(x, len(references), self.mixture == "sum_of_sources")
        of_estimates, of_mix = sums.distortions(ESTIMATES), sums.distortions(MIXTURE)
        columns = {**of_estimates, **sums.inside_and_outside(self.compute_sir_sar)}
        columns = {key: columns[key] for key in SCALE_COLUMNS}
        with np.errstate(invalid="ignore"):
            columns |= {f"{key}i": columns[key] - of_mix[key] for key in IMPROVEMENTS}
        columns |= {f"{OF_THE_MIXTURE}{key}": of_mix[key] for key in IMPROVEMENTS}
        return {
            name: {
                key: np.where(sums.no_source[:, index], np.nan, values[:, index]).tolist()
                for key, values in columns.items()
            }
            for index, name in enumerate(references)
        }

    def of_silence(self, name: str, columns: dict[str, list[float]]) -> dict[str, list[float]]:
        return columns  # `score` handles silence, channel by channel


class Sums:
    """The sums over time that the scale-invariant scores are made of.

    All arrays are `(channel, source)` or `(channel, source, sample)`.

    Args:
        signals: sources, as many estimates in the same order, and the mixture.
        count: number of sources.
        sum_of_sources: takes the sum of the sources for the mixture.
    """

    def __init__(self, signals: Centred, count: int, sum_of_sources: bool):
        self.signals = signals
        self.count = count
        self.sum_of_sources = sum_of_sources
        self.sources, self.guesses, self.dots, self.differences = self.total(self.products)
        self.no_source = is_silent(self.sources[ESTIMATES], signals.num_samples)
        self.no_guess = is_silent(self.guesses, signals.num_samples)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.scales = (
                self.dots / self.sources
            )  # that bring a source closest to the other signal
            self.residuals = self.total(self.residual_energies)

    def total(self, function: Callable) -> np.ndarray:
        """Sum over all blocks of a function of the sources and of what they are compared with: the
        ESTIMATES, then the MIXTURE, `(2, channel, source, sample)`."""
        return self.signals.total(lambda block: function(*self.sides(block)))

    def sides(self, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sources, estimates, mix = np.split(block, [self.count, 2 * self.count], axis=1)
        if self.sum_of_sources:
            mix = sources.sum(axis=1, keepdims=True)
        return sources, np.stack(np.broadcast_arrays(estimates, mix))

    def products(self, sources: np.ndarray, guesses: np.ndarray) -> np.ndarray:
        own = np.broadcast_to(energy(sources), guesses.shape[:-1])
        dots = np.einsum("csn,kcsn->kcs", sources, guesses)
        return np.stack([own, energy(guesses), dots, energy(guesses - sources)])

    def residual(self, sources: np.ndarray, guesses: np.ndarray) -> np.ndarray:
        return guesses - self.scales[..., None] * sources

    def residual_energies(self, sources: np.ndarray, guesses: np.ndarray) -> np.ndarray:
        return energy(self.residual(sources, guesses))

    def distortions(self, side: int) -> dict[str, np.ndarray]:
        """SI-SDR, SD-SDR, SNR and SRR of the ESTIMATES or the MIXTURE."""
        snr = decibels(self.sources[side], self.differences[side])
        scales = self.scales[side]
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = {
                "SI-SDR": decibels(scales**2 * self.sources[side], self.residuals[side]),
                "SD-SDR": snr + 10 * np.log10(scales**2),
                "SNR": snr,
                "SRR": -10 * np.log10((1 - 1 / scales) ** 2),
            }
        return {key: self.with_floor(value, side) for key, value in scores.items()}

    def with_floor(self, scores: np.ndarray, side: int) -> np.ndarray:
        """Scores raised to the floor; a silent estimate, whose SNR would be 0 dB, is put on it."""
        return np.where(self.no_guess[side], FLOOR_DB, floored(scores))

    def inside_and_outside(self, wanted: bool) -> dict[str, np.ndarray]:
        """SI-SIR and SI-SAR: the residual of the estimates inside and outside the sources' span."""
        if not wanted:
            nothing = np.full_like(self.residuals[ESTIMATES], np.nan)
            return {"SI-SIR": nothing, "SI-SAR": nothing}
        with np.errstate(invalid="ignore"):
            weights = self.projection()
            inside, outside = self.total(lambda *sides: self.parts(weights, *sides))
            signal = self.scales[ESTIMATES] ** 2 * self.sources[ESTIMATES]
        sir, sar = decibels(signal, inside), decibels(signal, outside)
        return {
            "SI-SIR": self.with_floor(sir, ESTIMATES),
            "SI-SAR": self.with_floor(sar, ESTIMATES),
        }

    def projection(self) -> np.ndarray:
        """`(channel, source, source)`: what sums of the sources come closest to the residuals."""

        def products(sources: np.ndarray, guesses: np.ndarray) -> np.ndarray:
            both = np.stack([sources, self.residual(sources, guesses)[ESTIMATES]])
            return np.einsum("cin,kcjn->kcij", sources, both)

        gram, all_onto = self.total(products)
        weights = np.full_like(gram, np.nan)
        for channel, onto in enumerate(all_onto):
            for source in np.flatnonzero(np.isfinite(onto).all(axis=0)):
                # least squares: a silent source makes the Gram matrix singular, and nussl fail
                solved = np.linalg.lstsq(gram[channel], onto[:, source], rcond=None)
                weights[channel, :, source] = solved[0]
        return weights

    def parts(self, weights: np.ndarray, sources: np.ndarray, guesses: np.ndarray) -> np.ndarray:
        residual = self.residual(sources, guesses)[ESTIMATES]
        inside = np.einsum("cij,cin->cjn", weights, sources)
        return np.stack([energy(inside), energy(residual - inside)])


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
        scores = {name: {key: [np.nan] for key in COLUMNS} for name in references}
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
    """museval's scores: dict, name → score → list of float, one per window.

    Args:
        truth, guesses: dicts, name → AudioSignal.
        window, hop: samples.
    """
    shape = len(truth), *next(iter(truth.values())).audio_data.shape
    pair = (reader([signals[name] for name in truth]) for signals in (truth, guesses))
    scores = distortions(*pair, shape, window, hop).transpose(1, 0, 2).tolist()
    return {
        name: dict(zip(COLUMNS, one, strict=True)) for name, one in zip(truth, scores, strict=True)
    }


def reader(signals: list[nussl.AudioSignal]) -> Callable[[int, int], np.ndarray]:
    """Function from start and end to `(signal, channel, sample)`; long signals may lie in files."""
    arrays = [one.audio_data for one in signals]

    def read(start: int, end: int) -> np.ndarray:
        block = np.stack([one[:, start:end] for one in arrays], dtype=float)
        for one in arrays:
            large.release(one)
        return block

    return read


def silent_windows(signal: nussl.AudioSignal, window: int, hop: int, count: int) -> np.ndarray:
    """Whether each of the first `count` windows is silent: to museval, if its channels sum to 0."""
    read, starts = reader([signal]), range(0, hop * count, hop)
    return np.array([not read(start, start + window).sum(axis=1).any() for start in starts])
