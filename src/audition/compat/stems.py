"""What musdb asks of stempeg, done with soundfile for wav: stands in where ffmpeg is missing."""

from typing import Any

import numpy as np
import soundfile

from audition.errors import ConfigError


class Info:
    """Length and rate of a wav file; `stem_id` is ignored, since a wav file holds one signal."""

    def __init__(self, filename: str):
        self.header = _read_header(filename)

    def samples(self, stem_id: int | None) -> int:
        return self.header.frames

    def duration(self, stem_id: int | None) -> float:
        return self.header.duration

    def rate(self, stem_id: int | None) -> int:
        return self.header.samplerate


def read_stems(
    filename: str,
    stem_id: int | None = None,
    start: float | None = 0,
    duration: float | None = None,
    info: Info | None = None,
    sample_rate: float | None = None,
    **_: Any,
) -> tuple[np.ndarray, int]:
    """Samples `(sample, channel)` of a wav file from `start` for `duration` seconds; its rate."""
    rate = _read_header(filename).samplerate
    if sample_rate not in (None, rate):
        raise ConfigError(
            f"{filename} is at {rate} Hz and reading it at {sample_rate} Hz needs ffmpeg; "
            "install the package ffmpeg (apt install ffmpeg), or resample the corpus."
        )
    num_frames = -1 if duration is None else int(duration * rate)
    return soundfile.read(
        filename, frames=num_frames, start=int((start or 0) * rate), always_2d=True
    )


def _read_header(filename):
    try:
        return soundfile.info(filename)
    except soundfile.LibsndfileError as error:
        raise ConfigError(
            f"{filename} cannot be read without ffmpeg; install the package ffmpeg "
            "(apt install ffmpeg), or use the wav version of the corpus."
        ) from error
