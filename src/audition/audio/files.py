"""Read, write and convert audio files; audio is an array `(sample, channel)`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile
import soxr

from audition.audio import large
from audition.errors import ConfigError
from audition.files import write_and_rename

AUDIO_SUFFIXES = {".aif", ".aiff", ".flac", ".mp3", ".ogg", ".opus", ".wav"}
FULL_SCALE = 2**15
ABSURD = 2**16  # beyond it a sample is damage; some corpora have floats on the scale of 16 bits
CUT_SHORT = re.compile(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)$", re.MULTILINE)  # wav, aiff
STREAMED = 2**31 - 2**12  # a size above it was written before anyone knew it, as into a pipe


def convert(
    audio: np.ndarray, sample_rate: int, new_rate: int, num_channels: int | None
) -> np.ndarray:
    """Resamples `audio`, `(sample, channel)`, and changes its number of channels.

    Several channels become one by averaging; one becomes several by repetition.

    Args:
        num_channels: None keeps the channels as they are.
    """
    if num_channels == 1 and audio.shape[1] > 1:
        audio = audio.mean(axis=1, keepdims=True)
    elif audio.shape[1] == 1 and num_channels:
        audio = np.repeat(audio, num_channels, axis=1)
    elif num_channels not in (None, audio.shape[1]):
        raise ConfigError(
            f"{audio.shape[1]} channels can't become {num_channels}: bind num_channels to 1 or "
            f"{audio.shape[1]}."
        )
    return soxr.resample(audio, sample_rate, new_rate) if new_rate != sample_rate else audio


def to_16_bit(audio: np.ndarray) -> np.ndarray:
    """Float samples in [-1, 1] as int16; samples read from a 16-bit file come back unchanged."""
    return np.clip(np.rint(audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def write_wav(
    path: str | Path, audio: np.ndarray, sample_rate: int, subtype: str = "PCM_16"
) -> None:
    """Writes `audio`, `(sample, channel)`, whole or not at all; PCM clips samples beyond 1."""
    with write_and_rename(path, "wb") as file:
        target = Target(file)
        try:
            write_blocks(target, audio, sample_rate, subtype)
        finally:
            if target.error is not None:
                raise target.error


def write_blocks(file: "Target", audio: np.ndarray, sample_rate: int, subtype: str) -> None:
    num_channels = 1 if audio.ndim == 1 else audio.shape[1]
    with soundfile.SoundFile(file, "w", sample_rate, num_channels, subtype, format="WAV") as sound:
        for part in large.blocks(len(audio)):
            sound.write(audio[part])
            large.release(audio)


class Target:
    """A file for libsndfile, which would go on after an error of the disk, and not report it."""

    def __init__(self, file: IO[bytes]):
        self.file, self.error = file, None

    def write(self, data: bytes) -> int:
        return self.attempt(self.file.write, data)

    def seek(self, *arguments: int) -> int:
        return self.attempt(self.file.seek, *arguments)

    def tell(self) -> int:
        return self.attempt(self.file.tell)

    def flush(self) -> None:
        self.attempt(self.file.flush)

    def attempt(self, call: Callable, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except OSError as error:
            self.error = self.error or error
            return 0


def read(path: str | Path) -> tuple[np.ndarray, int]:
    """Reads a file as float32 `(sample, channel)`, along with its sample rate.

    A large one comes as an array on disk, see `large.empty`.

    Raises:
        ConfigError: the file is not audio, is empty or cut short, or holds NaN, infinite or absurd
            samples.
    """
    try:
        with soundfile.SoundFile(path) as file:
            check_whole(path, file)
            audio = large.empty((file.frames, file.channels))
            audio = audio[: sum(fill(path, file, audio[part]) for part in large.blocks(len(audio)))]
    except soundfile.LibsndfileError as error:
        raise unreadable(path, error) from error
    if len(audio) == 0:
        raise ConfigError(f"{path} has no samples: repair the file or remove it.")
    return audio, file.samplerate


def fill(path: str | Path, file: soundfile.SoundFile, audio: np.ndarray) -> int:
    """Reads the next samples of a file into `audio`, and returns how many there were."""
    if file.subtype == "PCM_16":  # libsndfile takes twice as long to make the same floats
        samples = file.read(len(audio), dtype="int16", always_2d=True)
        np.multiply(samples, np.float32(2**-15), out=audio[: len(samples)])
    else:
        samples = file.read(len(audio), always_2d=True, out=audio)
        if len(samples):
            check_samples(path, samples)
    large.release(audio)
    return len(samples)


def check_whole(path: str | Path, file: soundfile.SoundFile) -> None:
    """Raises a ConfigError if the file ends before its header says, which libsndfile only logs."""
    if cut := CUT_SHORT.search(file.extra_info):
        promised, held = int(cut[1]), int(cut[2])
        if held < promised < STREAMED:
            raise ConfigError(
                f"{path} is cut short, it holds {held} of the {promised} bytes of audio that its "
                "header tells of: repair the file or remove it."
            )


def check_samples(path: str | Path, audio: np.ndarray) -> None:
    """Raises a ConfigError for samples that are no audio: one of 1e30 outweighs all others."""
    peak = max(audio.max(), -audio.min())  # NaN if any sample is
    if not np.isfinite(peak):
        raise ConfigError(f"{path} has NaN or infinite samples: repair the file or remove it.")
    if peak > ABSURD:
        raise ConfigError(
            f"{path} has a sample of {peak:.3g}, where full scale is 1: repair the file or remove it."
        )


def unreadable(path: str | Path, error: soundfile.LibsndfileError) -> ConfigError:
    """The ConfigError that stands for a soundfile.LibsndfileError."""
    if not Path(path).exists():
        return ConfigError(f"There is no file {path}: add it, or remove the others of its track.")
    return ConfigError(
        f"{path} can't be read as audio ({error.error_string}): repair the file or remove it."
    )
