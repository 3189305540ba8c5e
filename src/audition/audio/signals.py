"""nussl AudioSignals made of others."""

import numpy as np
import nussl


def signal_like(mix, audio):
    """AudioSignal of `audio` `(channel, sample)`, with the sample rate and STFT settings of `mix`."""
    return nussl.AudioSignal(
        audio_data_array=audio, sample_rate=mix.sample_rate, stft_params=mix.stft_params
    )


def cut(signal, start, stop):
    """The AudioSignal from one sample to another; it ends where `signal` ends.

    A new one: nussl's copy with other audio would keep the length of the whole, to which nussl then
    fills what it separates.
    """
    return signal_like(signal, np.ascontiguousarray(signal.audio_data[:, start:stop]))
