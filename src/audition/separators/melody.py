"""A free cue for the predominant melody, where Melodia's plugin is not available."""

from typing import Any

import gin
import librosa
import numpy as np
from nussl.core.masks import MaskBase
from nussl.separation import MaskSeparationBase
from scipy import signal

from audition.separators.nussl_separators import NusslSeparator, separator_recipe
from audition.separators.trackers import HarmonicSummation, PYin

DEFAULT_TRACKER = HarmonicSummation()
HIGH_PASS_ORDER = 4
SHORTEST_SECONDS = 0.064  # a frame of pYIN; shorter signals are padded


class PredominantMelody(MaskSeparationBase):
    """Separates the melody with a mask around the harmonics of its fundamental frequency.

    A tracker follows the fundamental: HarmonicSummation, made for mixtures, or PYin, for a single
    voice, or EssentiaMelodia, which needs a package of another licence. All are deterministic.
    Frames that it calls unvoiced keep a mask of `unvoiced_gain`. Versions up to 0.1 had pYIN.

    Args:
        input_audio_signal: AudioSignal.
        fmin_hz, fmax_hz: range of the melody's fundamental.
        high_pass_hz: the tracker hears nothing below this, or it would follow the bass.
        width_hz: distance from a harmonic at which the mask has fallen to 0.6.
        unvoiced_gain: height of the mask, 0 to 1, in frames that the tracker calls unvoiced.
        mask_type: "soft" or "binary".
        tracker: MelodyTracker.

    The estimates are background, then foreground (the melody), as in nussl's primitives.
    """

    def __init__(
        self,
        input_audio_signal,
        fmin_hz=110.0,
        fmax_hz=880.0,
        high_pass_hz=200.0,
        width_hz=30.0,
        unvoiced_gain=0.5,
        mask_type="soft",
        tracker=DEFAULT_TRACKER,
    ):
        self.tracker = tracker
        self.fmin_hz, self.fmax_hz = fmin_hz, fmax_hz
        self.high_pass_hz = high_pass_hz
        self.width_hz = width_hz
        self.unvoiced_gain = unvoiced_gain
        super().__init__(input_audio_signal=input_audio_signal, mask_type=mask_type)

    def track(self) -> tuple[np.ndarray, np.ndarray]:
        """Fundamental in Hz and gain of the mask, each `(frame,)`, in frames of the mix's STFT."""
        melody = self.tracker(self.signal_to_track(), self.fmin_hz, self.fmax_hz)
        frames = self.audio_signal.time_bins_vector
        gain = np.where(melody.voiced, 1.0, self.unvoiced_gain)
        return (
            np.interp(frames, melody.times, melody.f0_hz),
            np.interp(frames, melody.times, gain),
        )

    def signal_to_track(self) -> np.ndarray:
        mono = self.audio_signal.audio_data.mean(axis=0)
        rate = self.tracker.sample_rate
        x = librosa.resample(mono, orig_sr=self.audio_signal.sample_rate, target_sr=rate)
        x = np.pad(x, (0, max(0, round(SHORTEST_SECONDS * rate) - len(x))))
        high_pass = signal.butter(HIGH_PASS_ORDER, self.high_pass_hz, "high", fs=rate, output="sos")
        return signal.sosfiltfilt(high_pass, x)

    def run(self) -> list[MaskBase]:
        f0_hz, gain = self.track()
        bins_hz = self.audio_signal.freq_vector[:, None]
        harmonic = np.maximum(1, np.rint(bins_hz / f0_hz))
        distance = (bins_hz - harmonic * f0_hz) / self.width_hz
        foreground = np.exp(-0.5 * distance**2) * gain
        if self.mask_type == self.MASKS["binary"]:
            foreground = foreground > self.mask_threshold
        foreground = np.repeat(foreground[..., None], self.audio_signal.num_channels, axis=-1)
        self.result_masks = [self.mask_type(1 - foreground), self.mask_type(foreground)]
        return self.result_masks


class MelodySeparator(NusslSeparator):
    """The recipe of PredominantMelody, which names its tracker even where it is the default."""

    def __init__(self, algorithm: type, arguments: dict[str, Any]):
        super().__init__(algorithm, {"tracker": DEFAULT_TRACKER, **arguments})

    def check(self, data) -> None:
        self.arguments["tracker"].check()
        super().check(data)

    def passport(self) -> dict:
        """As before there was a choice, where the tracker is the one of then: its results hold."""
        passport = super().passport()
        if isinstance(self.arguments["tracker"], PYin):
            del passport["settings"]["tracker"]
        return passport


predominant_melody = gin.register("PredominantMelody", module="audition.separators")(
    separator_recipe(PredominantMelody, MelodySeparator)
)
