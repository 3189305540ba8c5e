"""Trackers of the predominant melody, for PredominantMelody.

To add one, register a class with a method `__call__` such as those here; settings are public
attributes, since they are part of what identifies a result.
"""

import importlib
import importlib.util
from dataclasses import dataclass

import gin
import librosa
import numpy as np

from audition.errors import ConfigError
from audition.separators.harmonic_summation import Melody, harmonic_melody

FRAME_LENGTH, HOP_LENGTH = 512, 128  # of pYIN, in samples at its rate


def installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it is in sys.modules, but as None
        return False


class MelodyTracker:
    """Follows the fundamental frequency of a melody.

    Attributes:
        sample_rate: of what it listens to, Hz.
    """

    sample_rate = 8000  # half of it holds some harmonics of the highest melody

    def check(self) -> None:
        """Raises a ConfigError if it can't run here."""

    def __call__(self, x: np.ndarray, fmin_hz: float, fmax_hz: float) -> Melody:
        """Melody of `x`, `(sample,)`, within a range of frequencies."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__ method.")


@gin.register
@dataclass(frozen=True)
class HarmonicSummation(MelodyTracker):
    """Harmonic summation and pitch contours, made for mixtures; about 0.006 s per second of audio.

    Args:
        voicing_tolerance: the higher, the more frames have a melody, see `harmonic_melody`.
    """

    voicing_tolerance: float = 0.2

    def __call__(self, x, fmin_hz, fmax_hz):
        return harmonic_melody(x, self.sample_rate, fmin_hz, fmax_hz, self.voicing_tolerance)


@gin.register
@dataclass(frozen=True)
class PYin(MelodyTracker):
    """librosa's pYIN, made for a single voice; about 0.06 s per second of audio.

    M. Mauch and S. Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold
    distributions", ICASSP 2014. In a mixture it follows whatever is most periodic.
    """

    def __call__(self, x, fmin_hz, fmax_hz):
        f0_hz, voiced, _ = librosa.pyin(
            x,
            fmin=fmin_hz,
            fmax=fmax_hz,
            sr=self.sample_rate,
            frame_length=FRAME_LENGTH,
            hop_length=HOP_LENGTH,
            fill_na=None,
        )
        return Melody(np.arange(len(f0_hz)) * HOP_LENGTH / self.sample_rate, f0_hz, voiced)


@gin.register
@dataclass(frozen=True)
class EssentiaMelodia(MelodyTracker):
    """Melodia by Essentia's PredominantPitchMelodia; about 0.05 s per second of audio.

    Needs the package essentia (`pip install essentia`), whose licence is the AGPL-3.0.

    Args:
        voicing_tolerance: the higher, the more frames have a melody.
    """

    sample_rate = 44100  # what its defaults are for

    voicing_tolerance: float = 0.2

    def check(self):
        if not installed("essentia"):
            raise ConfigError(
                "PredominantMelody.tracker = @EssentiaMelodia() needs the package essentia, whose "
                "licence is the AGPL-3.0: pip install essentia, or choose @HarmonicSummation()."
            )

    def __call__(self, x, fmin_hz, fmax_hz):
        self.check()
        essentia = importlib.import_module("essentia.standard")
        x = essentia.EqualLoudness(sampleRate=self.sample_rate)(x.astype(np.float32))
        melodia = essentia.PredominantPitchMelodia(
            sampleRate=self.sample_rate,
            minFrequency=fmin_hz,
            maxFrequency=fmax_hz,
            voicingTolerance=self.voicing_tolerance,
            guessUnvoiced=True,
            hopSize=HOP_LENGTH,
        )
        f0_hz, confidence = melodia(x)  # negative confidence: a guess; 0: none
        times = np.arange(len(f0_hz)) * HOP_LENGTH / self.sample_rate
        return Melody(times, np.where(f0_hz > 0, f0_hz, fmin_hz), confidence > 0)
