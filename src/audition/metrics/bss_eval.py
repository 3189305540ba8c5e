"""BSSEval: the scale-invariant scores of "SDR, half-baked or well done?", and museval's version 4."""

from collections.abc import Callable, Mapping

import gin
import numpy as np
import nussl

from audition.audio import large
from audition.errors import ConfigError
from audition.identity import FORMER_WORDS, V4_SILENCE, Name
from audition.metrics.distortion_filters import COLUMNS, distortions
from audition.metrics.products import SILENCE, Products
from audition.metrics.scores import (
    FLOOR_DB,
    Metric,
    best_match,
    floored,
    si_sdr_of,
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

    def __call__(
        self,
        references: Mapping[str, nussl.AudioSignal],
        estimates: list[nussl.AudioSignal],
        mix: nussl.AudioSignal,
    ) -> dict[str, dict[str, list[float]]]:
        self.check(references, estimates)
        products = Products([*references.values(), *estimates, mix])
        count = len(references)
        order = np.arange(count)
        if self.compute_permutation:
            order = best_match(si_sdr_of(products, count, len(estimates)))
        track = Track(products, count, count + order, self.mixture == "sum_of_sources")
        columns = self.columns(track)
        return {
            name: {key: values[:, index].tolist() for key, values in columns.items()}
            for index, name in enumerate(references)
        }

    def columns(self, track: "Track") -> dict[str, np.ndarray]:
        """Name of the score → `(channel, source)`; NaN where a channel of a source is silent."""
        both = track.distortions()
        columns = {key: values[:, ESTIMATES] for key, values in both.items()}
        columns |= track.inside_and_outside(self.compute_sir_sar)
        columns = {key: columns[key] for key in SCALE_COLUMNS}
        of_mix = {key: both[key][:, MIXTURE] for key in IMPROVEMENTS}
        with np.errstate(invalid="ignore"):
            columns |= {f"{key}i": columns[key] - of_mix[key] for key in IMPROVEMENTS}
        return columns | {f"{OF_THE_MIXTURE}{key}": of_mix[key] for key in IMPROVEMENTS}


class Track:
    """The energies that the scale-invariant scores of a track are made of.

    Arrays are `(channel, source)`, or `(channel, side, source)` with the sides ESTIMATES and MIXTURE.

    Args:
        products: of the sources, which come first, of the estimates, and of the mixture, the last.
        count: number of sources.
        chosen: which signal is each source's estimate, `(source,)`.
        sum_of_sources: takes the sum of the sources for the mixture.
    """

    def __init__(self, products: Products, count: int, chosen: np.ndarray, sum_of_sources: bool):
        units = np.eye(products.gram.shape[-1])
        truth = units[:count]
        mixture = truth.sum(axis=0) if sum_of_sources else units[-1]
        guesses = np.stack([units[chosen], np.broadcast_to(mixture, truth.shape)])
        self.sources = products.energies_of_signals()[:, None, :count]
        onto_sources = guesses @ products.gram[:, None, :, :count]  # (channel, side, guess, source)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.scales = np.einsum("ckss->cks", onto_sources) / self.sources
            residuals = guesses - self.scales[..., None] * truth  # of a source's closest multiple
            inside = inside_the_span(products.gram, residuals[:, ESTIMATES], count)
        sums = np.empty((len(residuals), 8, *truth.shape))
        sums[:, 0:2], sums[:, 2:4], sums[:, 4:6] = guesses, guesses - truth, residuals
        sums[:, 6], sums[:, 7] = inside, residuals[:, ESTIMATES] - inside
        energies = products.energies(sums)
        self.differences, self.residuals = energies[:, 2:4], energies[:, 4:6]
        self.inside, self.outside = energies[:, 6], energies[:, 7]
        self.no_source = products.silent()[:, None, :count]
        self.no_guess = energies[:, 0:2] <= SILENCE * products.num_samples

    def distortions(self) -> dict[str, np.ndarray]:
        """SI-SDR, SD-SDR, SNR and SRR of both sides."""
        with np.errstate(divide="ignore", invalid="ignore"):
            snr = 10 * np.log10(self.sources / self.differences)
            squares = self.scales**2
            scores = {
                "SI-SDR": 10 * np.log10(squares * self.sources / self.residuals),
                "SD-SDR": snr + 10 * np.log10(squares),
                "SNR": snr,
                "SRR": -10 * np.log10((1 - 1 / self.scales) ** 2),
            }
        return {key: within(value, self.no_source, self.no_guess) for key, value in scores.items()}

    def inside_and_outside(self, wanted: bool) -> dict[str, np.ndarray]:
        """SI-SIR and SI-SAR of the estimates: the residual inside and outside the sources' span."""
        if not wanted:
            nothing = np.full_like(self.inside, np.nan)
            return {"SI-SIR": nothing, "SI-SAR": nothing}
        silence = self.no_source[:, 0], self.no_guess[:, ESTIMATES]
        with np.errstate(divide="ignore", invalid="ignore"):
            signal = self.scales[:, ESTIMATES] ** 2 * self.sources[:, 0]
            sir, sar = (10 * np.log10(signal / noise) for noise in (self.inside, self.outside))
        return {"SI-SIR": within(sir, *silence), "SI-SAR": within(sar, *silence)}


def within(scores: np.ndarray, no_source: np.ndarray, no_guess: np.ndarray) -> np.ndarray:
    """Scores raised to the floor, on it for silent estimates (whose SNR would be 0 dB), and NaN for
    silent sources."""
    return np.where(no_source, np.nan, np.where(no_guess, FLOOR_DB, floored(scores)))


def inside_the_span(gram: np.ndarray, signals: np.ndarray, count: int) -> np.ndarray:
    """What sums of the first `count` signals come closest to others, as weights, in least squares.

    A silent source makes the Gram matrix singular, and a solver of equations fail.

    Args:
        gram: `(channel, signal, signal)`.
        signals: weights of the others, `(channel, other, signal)`.
    """
    among = gram[:, :count, :count]
    inverse = np.linalg.pinv(among, rcond=count * np.finfo(float).eps, hermitian=True)
    weights = np.zeros_like(signals)
    weights[..., :count] = signals @ gram[:, :, :count] @ inverse
    return weights


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
