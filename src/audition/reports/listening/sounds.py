"""Excerpts of tracks as MP3 in data URIs; MP3 is the compressed format that every browser plays."""

import base64
import io
import logging

import numpy as np
import soundfile
import soxr

from audition.errors import ConfigError

log = logging.getLogger(__name__)

MP3_RATES = (16000, 22050, 24000, 32000, 44100, 48000)  # MPEG-1 and -2; few decode 2.5
COMPRESSION = 0.75  # for libsndfile: gives the constant bit rates below
HEADROOM = 0.89  # decoded MP3 overshoots the original peaks, by 1 dB at most in our tests
BASE64 = 4 / 3
SHORTEST_SECONDS = 1.0
PICTURE_BYTES = 40_000  # at most, per signal: its waveform, spectrogram and surrounding tags


def bytes_per_second(sample_rate: int) -> float:
    """Size of a signal in the page: 48 kbit/s up to 24 kHz, else 96, mono or stereo, as base64."""
    return (48_000 if mp3_rate(sample_rate) <= 24_000 else 96_000) / 8 * BASE64


def excerpt_seconds(
    num_signals: int, sample_rate: int, max_seconds: float, megabytes: float, other_bytes: int
) -> float:
    """`max_seconds`, or less if a page with `num_signals` signals and `other_bytes` of text would
    otherwise exceed `megabytes`.

    Raises:
        ConfigError: excerpts would be shorter than a second.
    """
    for_sound = megabytes * 1e6 - other_bytes - num_signals * PICTURE_BYTES
    fit = max(for_sound, 0) / (num_signals * bytes_per_second(sample_rate))
    if min(fit, max_seconds) < SHORTEST_SECONDS:
        raise ConfigError(
            f"{num_signals} signals leave {min(fit, max_seconds):.2g} s of each in a page of "
            f"listening_page.megabytes = {megabytes}: lower listening_page.num_tracks, give fewer "
            "runs, or raise listening_page.megabytes or max_seconds."
        )
    if fit < max_seconds:
        log.info(
            "Excerpts are cut to %.1f s to keep the page under %g MB; longer ones fit with a lower "
            "listening_page.num_tracks, with fewer runs or with a higher listening_page.megabytes.",
            *(fit, megabytes),
        )
    return min(fit, max_seconds)


def mp3_rate(sample_rate: int) -> int:
    """The lowest MP3 rate that is at least `sample_rate`, else the highest."""
    return next((rate for rate in MP3_RATES if rate >= sample_rate), MP3_RATES[-1])


def loudest_start(audio: np.ndarray, num_samples: int) -> int:
    """First of the `num_samples` consecutive samples with the most energy; 0 if that is all.

    Args:
        audio: `(channel, sample)`.
    """
    power = np.square(finite(audio), dtype=np.float64).sum(axis=0)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    if num_samples >= len(power):
        return 0
    return int(np.argmax(sums[num_samples:] - sums[:-num_samples]))


def finite(audio: np.ndarray) -> np.ndarray:
    """`audio` with NaN and infinite samples set to 0."""
    return np.where(np.isfinite(audio), audio, 0.0)


def common_gain(signals: list[np.ndarray]) -> float:
    """The gain that brings the highest peak of all signals to HEADROOM; 1 if all are silent.

    The same gain for all signals of a track keeps their loudness comparable.
    """
    peak = max(float(np.abs(finite(audio)).max(initial=0.0)) for audio in signals)
    return HEADROOM / peak if peak > 0 else 1.0


def mp3_uri(audio: np.ndarray, sample_rate: int) -> str:
    """`audio`, `(channel, sample)`, as a data URI; more than two channels are averaged into one."""
    audio = finite(audio).astype(np.float32)
    audio = audio if len(audio) <= 2 else audio.mean(axis=0, keepdims=True)
    rate = mp3_rate(sample_rate)
    if rate != sample_rate:
        audio = soxr.resample(audio.T, sample_rate, rate).T
    file = io.BytesIO()
    soundfile.write(
        file,
        audio.T.clip(-1, 1),
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=COMPRESSION,
    )
    return data_uri("audio/mpeg", file.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
