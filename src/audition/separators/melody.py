"""A free cue for the predominant melody, for when the Melodia plugin is not available."""

import gin
import librosa
import numpy as np
from nussl.core.masks import MaskBase
from nussl.separation import MaskSeparationBase
from scipy import signal

from audition.separators.nussl_separators import separator_recipe

TRACKING_RATE = 8000  # Hz; half of it holds some harmonics of the highest melody
FRAME_LENGTH, HOP_LENGTH = 512, 128  # samples at TRACKING_RATE
HIGH_PASS_ORDER = 4


class PredominantMelody(MaskSeparationBase):
    """Separates the melody with a mask around the harmonics of its fundamental frequency.

    The fundamental comes from librosa's pYIN (M. Mauch and S. Dixon, "pYIN: a fundamental frequency
    estimator using probabilistic threshold distributions", ICASSP 2014). pYIN is made for a single
    voice: in a mixture it follows whatever is most periodic above `high_pass_hz`, and is often
    unsure, so frames it calls unvoiced keep a mask of `unvoiced_gain`. Melodia (nussl's Melodia) is
    made for mixtures, but its plugin may not be redistributed; don't expect its results here.

    Takes about 0.1 s per second of audio, and is deterministic.

    Args:
        input_audio_signal: AudioSignal.
        fmin_hz, fmax_hz: range of the melody's fundamental.
        high_pass_hz: the tracker hears nothing below this, or it would follow the bass.
        width_hz: distance from a harmonic at which the mask has fallen to 0.6.
        unvoiced_gain: height of the mask, 0 to 1, in frames that pYIN calls unvoiced.
        mask_type: "soft" or "binary".

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
    ):
        self.fmin_hz, self.fmax_hz = fmin_hz, fmax_hz
        self.high_pass_hz = high_pass_hz
        self.width_hz = width_hz
        self.unvoiced_gain = unvoiced_gain
        super().__init__(input_audio_signal=input_audio_signal, mask_type=mask_type)

    def track(self) -> tuple[np.ndarray, np.ndarray]:
        """Fundamental in Hz and gain of the mask, each `(frame,)`, in frames of the mix's STFT."""
        f0_hz, voiced, _ = librosa.pyin(
            self.signal_to_track(),
            fmin=self.fmin_hz,
            fmax=self.fmax_hz,
            sr=TRACKING_RATE,
            frame_length=FRAME_LENGTH,
            hop_length=HOP_LENGTH,
            fill_na=None,
        )
        times = np.arange(len(f0_hz)) * HOP_LENGTH / TRACKING_RATE
        frames = self.audio_signal.time_bins_vector
        gain = np.where(voiced, 1.0, self.unvoiced_gain)
        return np.interp(frames, times, f0_hz), np.interp(frames, times, gain)

    def signal_to_track(self) -> np.ndarray:
        mono = self.audio_signal.audio_data.mean(axis=0)
        sample_rate = self.audio_signal.sample_rate
        x = librosa.resample(mono, orig_sr=sample_rate, target_sr=TRACKING_RATE)
        x = np.pad(x, (0, max(0, FRAME_LENGTH - len(x))))
        high_pass = signal.butter(
            HIGH_PASS_ORDER, self.high_pass_hz, "high", fs=TRACKING_RATE, output="sos"
        )
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


predominant_melody = gin.register("PredominantMelody", module="audition.separators")(
    separator_recipe(PredominantMelody)
)
