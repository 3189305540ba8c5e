"""nussl AudioSignals made from other ones."""

import numpy as np
import nussl

from audition.audio import large


def signal_like(mix: nussl.AudioSignal, audio: np.ndarray) -> nussl.AudioSignal:
    """AudioSignal of `audio`, `(channel, sample)`, with `mix`'s sample rate and STFT settings."""
    settings = {"sample_rate": mix.sample_rate, "stft_params": mix.stft_params}
    if large.map_of(audio) is None:
        return nussl.AudioSignal(audio_data_array=audio, **settings)
    signal = nussl.AudioSignal(**settings)
    put_audio(signal, audio, mix.sample_rate)
    return signal


def put_audio(signal: nussl.AudioSignal, audio: np.ndarray, sample_rate: int) -> None:
    """Does what `load_audio_from_array` does; but nussl looks at all samples of an array at once,
    and of one that is on disk, whoever filled it has looked at them."""
    if large.map_of(audio) is None:
        signal.load_audio_from_array(audio, sample_rate)
        return
    signal.load_audio_from_array(audio[:, : len(audio)].copy(), sample_rate)
    signal._audio_data = audio
    signal.original_signal_length = signal.signal_length
    signal.set_active_region_to_default()


def cut(signal: nussl.AudioSignal, start: int, stop: int) -> nussl.AudioSignal:
    """A new AudioSignal with the samples of `signal` from `start` to `stop`, or to its end.

    nussl's own copy with other audio remembers the length of the whole signal, and nussl then pads
    its estimates to that length.
    """
    piece = np.array(signal.audio_data[:, start:stop], order="C")
    large.release(signal.audio_data)
    return signal_like(signal, piece)
