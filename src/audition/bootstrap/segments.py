"""Cuts long recordings into segments, and reads the table of what was separated from them."""

import re
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
import soundfile

from audition.audio.signals import cut
from audition.datasets.audio_folder import UNLABELLED
from audition.datasets.identity import file_states
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.files import read_json
from audition.runs.results import STAMP, read_results

COMPLETE = "complete.json"  # names of all segments, once all are there
RESULTS = "results"  # folder beside s0, s1, mix: one JSON per segment


class Window(NamedTuple):
    item: int  # index in the corpus
    start: int  # samples
    stop: int


class Segments:
    """Windows of the items of a corpus, with the interface of a Split.

    An item shorter than a window is a single segment.

    Args:
        corpus: Split.
        window_seconds, hop_seconds: length and hop of the segments.
        to_the_end: whether the rest at the end of an item, shorter than a hop, is in a segment; see
            `window_bounds`.

    Attributes:
        names: `<item>_<number>`, one per segment.
        windows: Window of each.
    """

    def __init__(
        self, corpus: Split, window_seconds: float, hop_seconds: float, to_the_end: bool = False
    ):
        if not 0 < hop_seconds <= window_seconds:
            raise ConfigError(
                f"segment_and_separate.hop_seconds = {hop_seconds} with window_seconds = "
                f"{window_seconds}: the hop must be more than 0 and at most a window."
            )
        self.corpus = corpus
        self.to_the_end = to_the_end
        length, hop = (round(s * corpus.sample_rate) for s in (window_seconds, hop_seconds))
        self.names, self.windows, self.unreadable = [], [], {}
        for item, name in enumerate(corpus.names):
            bounds = self.bounds(item, length, hop)
            self.windows += [Window(item, *bound) for bound in bounds]
            self.names += [f"{name}_{number:04d}" for number in range(len(bounds))]
        self.held = None, None

    def bounds(self, item: int, length: int, hop: int) -> list[tuple[int, int]]:
        """`window_bounds` of an item; if its file can't be read, one empty segment, so that the
        error comes when that segment is read, and affects no other item."""
        try:
            return window_bounds(num_samples(self.corpus, item), length, hop, self.to_the_end)
        except ConfigError as error:
            self.unreadable[item] = error
            return [(0, 0)]

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def sample_rate(self) -> int:
        return self.corpus.sample_rate

    @property
    def num_channels(self) -> int:
        return self.corpus.num_channels

    def __getitem__(self, i: int) -> dict:
        window = self.windows[i]
        data = self.read(window.item)
        mix = cut(data["mix"], window.start, window.stop)
        about = {
            "track": self.corpus.names[window.item],
            "label": data["metadata"].get("label", UNLABELLED),
            "start_seconds": window.start / self.sample_rate,
            "duration_seconds": mix.signal_duration,
        }
        sources = {
            name: cut(source, window.start, window.stop) for name, source in data["sources"].items()
        }
        return {"mix": mix, "sources": sources, "metadata": about}

    def read(self, item: int) -> dict:
        """Reads an item and keeps it until another one is read, since its segments come in a row."""
        if item in self.unreadable:
            raise self.unreadable[item]
        if self.held[0] != item:
            self.held = item, self.corpus[item]
        return self.held[1]

    def file_states(self) -> list[list[list[int] | None]]:
        """For each segment, `[size, time]` of each file of the item that it is cut from."""
        states = file_states(self.corpus)
        return [states[window.item] for window in self.windows]


def num_samples(corpus: Split, item: int) -> int:
    """Length of an item in samples, from its file's header."""
    seconds = corpus.described.duration_seconds(corpus.dataset.items[item])
    return round(seconds * corpus.sample_rate)


def window_bounds(
    total: int, length: int, hop: int, to_the_end: bool = False
) -> list[tuple[int, int]]:
    """`(start, stop)` of each window of `length`, all in samples.

    Args:
        to_the_end: do as the bootstrapping paper's code does: a window starts at every hop and may
            be cut short by the end of the item; only the last one starts earlier, to be whole.
    """
    if to_the_end:
        starts = [*range(0, max(1, total), hop)][:-1] + [max(0, total - length)]
        return [(start, min(start + length, total)) for start in sorted(set(starts))]
    return [(start, start + length) for start in range(0, max(1, total - length + 1), hop)]


def segment_table(folder: str | Path) -> pandas.DataFrame:
    """What segment_and_separate wrote, one row per segment that was not skipped.

    Returns:
        DataFrame, indexed by the segments' names: track, label, start_seconds, duration_seconds,
        loudness_lufs; each measure of confidence; each score of each source as `<source>.<score>`,
        its mean over channels, and as `<score>` the mean over sources.
    """
    results = read_results(Path(folder, RESULTS))
    if not results:
        raise ConfigError(
            f"There are no segments in {str(folder)!r}: run segment_and_separate into it first."
        )
    if missing := missing_segments(Path(folder), results):
        raise ConfigError(
            f"{str(folder)!r} lacks the results of {len(missing)} segments, such as {missing[0]!r}, "
            "which it had: run segment_and_separate into it again, which makes them anew."
        )
    kept = {name: row(result) for name, result in results.items() if "skipped" not in result}
    return pandas.DataFrame.from_dict(kept, orient="index")


def missing_segments(folder: Path, present: Container[str]) -> list[str]:
    """Names of segments that were there when segment_and_separate was done, and are no more."""
    record = folder / COMPLETE  # none up to version 0.2
    names = read_json(record)["segments"] if record.is_file() else []
    return [name for name in names if name not in present]


def row(result: dict) -> dict:
    metadata = {key: value for key, value in result["metadata"].items() if key not in STAMP}
    scores = {source: means(columns) for source, columns in result["scores"].items()}
    each = {f"{s}.{key}": value for s, columns in scores.items() for key, value in columns.items()}
    return {**metadata, **result["confidences"], **each, **means_over_sources(scores)}


def means(columns: dict[str, list[float]]) -> dict[str, float]:
    return {key: float(np.mean(values)) for key, values in columns.items()}


def means_over_sources(scores: dict[str, dict[str, float]]) -> dict[str, float]:
    """Means over the sources, of the scores that every source has."""
    columns = [set(columns) for columns in scores.values()]
    shared = sorted(set.intersection(*columns)) if columns else []
    return {key: float(np.mean([one[key] for one in scores.values()])) for key in shared}


def stems(folder: str | Path) -> list[str]:
    """Names of the folders that hold the segments' audio: mix, s0, s1, …"""
    return sorted(
        path.name
        for path in Path(folder).iterdir()
        if path.is_dir() and re.fullmatch(r"mix|s\d+", path.name)
    )


def read_segment(folder: str | Path, name: str) -> tuple[dict[str, np.ndarray], int]:
    """`(dict, "mix", "s0", "s1", … → array (channel, sample); sample rate)` of one segment."""
    audio = {}
    for stem in stems(folder):
        path = Path(folder, stem, f"{name}.wav")
        samples, sample_rate = soundfile.read(path, always_2d=True)
        audio[stem] = samples.T
    return audio, sample_rate
