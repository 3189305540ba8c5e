"""Arrays of samples on their way from one kind of file to another."""

import numpy as np
import soundfile
import soxr

from audition.errors import ConfigError
from audition.files import write_and_rename

AUDIO_SUFFIXES = {".aif", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav"}
FULL_SCALE = 2**15


def convert(audio, sample_rate, new_rate, num_channels):
    """`audio`, `(sample, channel)`, at another rate and number of channels.

    One channel is the mean of all; one channel becomes several equal ones.

    Args:
        num_channels: None keeps the channels as they are.
    """
    if num_channels == 1 and audio.shape[1] > 1:
        audio = audio.mean(axis=1, keepdims=True)
    elif audio.shape[1] == 1 and num_channels:
        audio = np.repeat(audio, num_channels, axis=1)
    elif num_channels not in (None, audio.shape[1]):
        raise ConfigError(
            f"{audio.shape[1]} channels can't be made {num_channels}: bind num_channels to 1 or "
            f"{audio.shape[1]}."
        )
    return soxr.resample(audio, sample_rate, new_rate) if new_rate != sample_rate else audio


def to_16_bit(audio):
    """int16 of float samples in [-1, 1]; what was read from a 16-bit file comes back as it was."""
    return np.clip(np.rint(audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def write_wav(path, audio, sample_rate, subtype="PCM_16"):
    """Writes `audio`, `(sample, channel)`, whole or not at all; floats beyond 1 are clipped."""
    with write_and_rename(path, "wb") as file:
        soundfile.write(file, audio, sample_rate, subtype=subtype, format="WAV")


def read(path):
    """`(sample, channel)` float32, finite and never empty, and its sample rate."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.subtype == "PCM_16":  # libsndfile takes twice as long to make the same floats
                audio = file.read(dtype="int16", always_2d=True) * np.float32(2**-15)
            else:
                audio = file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise unreadable(path, error) from error
    if len(audio) == 0:
        raise ConfigError(f"{path} has no samples: mend the file or take it out.")
    if not np.isfinite(audio).all():
        raise ConfigError(f"{path} has samples that are no numbers: mend the file or take it out.")
    return audio, file.samplerate


def unreadable(path, error):
    """The ConfigError for a soundfile.LibsndfileError."""
    return ConfigError(
        f"{path} can't be read as audio ({error.error_string}): mend the file or take it out."
    )
