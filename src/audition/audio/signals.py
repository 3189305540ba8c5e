"""nussl AudioSignals made from other ones."""

import numpy as np
import nussl


def signal_like(mix: nussl.AudioSignal, audio: np.ndarray) -> nussl.AudioSignal:
    """AudioSignal of `audio`, `(channel, sample)`, with `mix`'s sample rate and STFT settings."""
    return nussl.AudioSignal(
        audio_data_array=audio, sample_rate=mix.sample_rate, stft_params=mix.stft_params
    )


def cut(signal: nussl.AudioSignal, start: int, stop: int) -> nussl.AudioSignal:
    """A new AudioSignal with the samples of `signal` from `start` to `stop`, or to its end.

    nussl's own copy with other audio remembers the length of the whole signal, and nussl then pads
    its estimates to that length.
    """
    return signal_like(signal, np.ascontiguousarray(signal.audio_data[:, start:stop]))
