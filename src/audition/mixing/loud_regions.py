"""Where a file is loud, so that mixtures rarely contain silent sources."""

import functools
from pathlib import Path

import gin
import numpy as np

from audition.audio.files import read
from audition.code import code_of
from audition.files import read_json, write_json
from audition.identity import file_sha256, fingerprint


@gin.register
class LoudRegions:
    """Finds the windows of a file that are louder than `threshold_db`.

    A file is measured once, when a mixture first needs it. Its table is stored under a key made of
    its content and these settings, so it survives renaming and never serves a different file.

    Args:
        window_seconds: length of a window, ideally that of an event.
        hop_seconds: time from one window to the next.
        threshold_db: RMS of a window over all channels, dB of full scale.
        cache_root: folder for the tables; None measures again in every process.
    """

    def __init__(
        self,
        window_seconds: float,
        hop_seconds: float,
        threshold_db: float = -80.0,
        cache_root: str | Path | None = None,
    ):
        self.window_seconds = window_seconds
        self.hop_seconds = hop_seconds
        self.threshold_db = threshold_db
        self._cache_root = cache_root

    def starts(self, path: str | Path) -> np.ndarray:
        """Times in seconds at which a file's loud windows begin, `(window,)`; may be empty."""
        settings = self.window_seconds, self.hop_seconds, self.threshold_db
        return np.array(loud_starts(str(path), *settings, self._cache_root))


@functools.lru_cache(maxsize=100_000)
def loud_starts(
    path: str,
    window_seconds: float,
    hop_seconds: float,
    threshold_db: float,
    cache_root: str | Path | None,
) -> list[float]:
    """The table of one file, from the cache if it is there."""
    if cache_root is None:
        return measure(path, window_seconds, hop_seconds, threshold_db)
    code = sorted(code_of(measure).values())
    key = fingerprint([file_sha256(path), window_seconds, hop_seconds, threshold_db, code])
    table = Path(cache_root) / f"{key}.json"
    if not table.exists():
        starts = measure(path, window_seconds, hop_seconds, threshold_db)
        write_json(table, {"start_seconds": starts})
    held = read_json(table, object)
    return held["start_seconds"] if isinstance(held, dict) else held  # a list up to version 0.2


def measure(
    path: str, window_seconds: float, hop_seconds: float, threshold_db: float
) -> list[float]:
    """Start times of the loud windows, in seconds; a file shorter than a window is one window."""
    audio, sample_rate = read(path)
    power = np.concatenate([[0.0], np.cumsum(np.mean(audio.astype(float) ** 2, axis=1))])
    window = min(round(window_seconds * sample_rate), len(audio))
    hop = max(round(hop_seconds * sample_rate), 1)
    starts = np.arange(0, len(audio) - window + 1, hop)
    mean_power = (power[starts + window] - power[starts]) / window
    loud = mean_power > 10 ** (threshold_db / 10)
    return [float(start) / sample_rate for start in starts[loud]]
