"""What scaper asks of sox for every mixture, done with soxr: stands in where sox is missing.

Resampling is soxr's, the library that sox itself resamples with. Pitch shift and time stretch would
give different samples from sox's, so they are refused rather than imitated.
"""

from typing import Any, NoReturn, Self

import numpy as np
import soundfile
import soxr

from audition.errors import ConfigError


class Transformer:
    """Chain of effects, each `(audio (sample, channel), rate) -> (audio, rate)`, run by build*."""

    def __init__(self):
        self.effects = []
        self.output_format = (None, None)

    def convert(
        self,
        samplerate: int | None = None,
        n_channels: int | None = None,
        bitdepth: int | None = None,
    ) -> Self:
        self.effects.append(lambda audio, rate: _convert(audio, rate, samplerate, n_channels))
        return self

    def set_output_format(self, rate: int | None = None, channels: int | None = None) -> Self:
        self.output_format = (rate, channels)
        return self

    def trim(self, start_time: float, end_time: float | None = None) -> Self:
        self.effects.append(lambda audio, rate: (_trim(audio, rate, start_time, end_time), rate))
        return self

    def pitch(self, n_semitones: float, quick: bool = False) -> NoReturn:
        raise _needs_sox("pitch shift")

    def tempo(self, factor: float, audio_type: str | None = None, quick: bool = False) -> NoReturn:
        raise _needs_sox("time stretch")

    def reverb(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise _needs_sox("reverb")

    def build_array(
        self,
        input_filepath: str | None = None,
        input_array: np.ndarray | None = None,
        sample_rate_in: int | None = None,
    ) -> np.ndarray:
        """The effects' result for a file or an array `(sample[, channel])`: `(sample, channel)`."""
        if input_filepath is not None:
            input_array, sample_rate_in = soundfile.read(input_filepath)
        return self._run(np.asarray(input_array, dtype=np.float64), sample_rate_in)[0]

    def build(self, input_filepath: str, output_filepath: str) -> None:
        """Writes the effects' result in the sample format of the input file."""
        audio, rate = soundfile.read(input_filepath)
        audio, rate = self._run(audio, rate)
        subtype = soundfile.info(input_filepath).subtype
        soundfile.write(output_filepath, audio, rate, subtype=subtype)

    def _run(self, audio, rate):
        audio = audio.reshape(len(audio), -1)
        for effect in self.effects:
            audio, rate = effect(audio, rate)
        return _convert(audio, rate, *self.output_format)


def _convert(audio, rate, new_rate, num_channels):
    audio = _mix_channels(audio, num_channels or audio.shape[1])
    if new_rate in (None, rate):
        return audio, rate
    return soxr.resample(audio, rate, new_rate), new_rate


def _mix_channels(audio, num_channels):
    """As in sox: fewer channels average every n-th one, more channels are copies in turn."""
    before = audio.shape[1]
    if num_channels > before:
        return audio[:, np.arange(num_channels) % before]
    return np.stack([audio[:, i::num_channels].mean(axis=1) for i in range(num_channels)], axis=1)


def _trim(audio, rate, start_seconds, end_seconds):
    start = round(start_seconds * rate)
    return audio[start:] if end_seconds is None else audio[start : round(end_seconds * rate)]


def _needs_sox(effect):
    return ConfigError(
        f"The {effect} asked for needs the sox program; install the package sox "
        "(apt install sox, or conda install -c conda-forge sox), or leave the effect out."
    )
