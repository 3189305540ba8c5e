"""A complete cache, opened after a look at whether it is whole, and of the data as they are now."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audition.datasets.identity import file_states
from audition.datasets.split import Split
from audition.datasets.waveform_cache.defects import check_quickly
from audition.datasets.waveform_cache.places import (
    INDEX,
    MANIFEST,
    PLACE,
    STATES,
    WAVEFORMS,
    changed_code,
    code_of_audio,
    content_of,
    fits,
    home,
    origin,
    read_manifest,
)
from audition.datasets.waveform_cache.states import (
    as_rows,
    differing,
    named,
    read_states,
    write_states,
)
from audition.errors import ConfigError
from audition.identity import in_short

log = logging.getLogger(__name__)

INT16_SCALE = np.float32(2**-15)


class WaveformCache:
    """Reads a complete cache. Each process maps the file for itself; the map is never pickled."""

    def __init__(self, folder: Path, num_signals: int, num_channels: int):
        self.folder = folder
        self.shape = num_signals, num_channels
        self.index = np.fromfile(folder / INDEX, PLACE)
        self.data = None

    def __len__(self) -> int:
        return len(self.index)

    def __getstate__(self):
        return {**self.__dict__, "data": None}

    def waveforms(self, i: int) -> tuple[np.ndarray, np.float32]:
        """An item, `(1 + source, channel, sample)`, mix first, and the factor that scales it to 1.

        The array is an int16 or float32 view of the memory map.
        """
        if self.data is None:
            self.data = np.memmap(self.folder / WAVEFORMS, np.uint8, "r").view(np.ndarray)
        offset, num_samples, is_int16 = self.index[i].tolist()
        dtype, scale = (np.int16, INT16_SCALE) if is_int16 else (np.float32, np.float32(1))
        shape = *self.shape, num_samples
        return np.ndarray(shape, dtype, self.data, offset), scale

    def holds(self, corpus: Split, i: int) -> bool:
        """Whether an item of the cache is that of `corpus`, which is read for it."""
        waveforms, scale = self.waveforms(i)
        return np.array_equal(waveforms * scale, corpus.waveforms(i))


def open(corpus: Split) -> WaveformCache | None:
    """The WaveformCache of `corpus`, or None if none has been filled.

    Raises:
        ConfigError: it is damaged, or the data were replaced since it was filled.
    """
    if corpus.cache_root is None:
        return None
    states = file_states(corpus)
    content, states = content_of(corpus, states), as_rows(states)
    folder = home(corpus, content)
    if not folder.exists():
        check_not_replaced(corpus, content, states)
        return None
    check_quickly(folder)
    check_content(folder, content)
    check_code(folder, code_of_audio(corpus, content))
    cache = WaveformCache(folder, 1 + len(corpus.source_names), corpus.num_channels)
    check_files(corpus, cache, states)
    check_audio(corpus, cache)
    return cache


def check_content(folder: Path, wanted: dict[str, Any]) -> None:
    found = read_manifest(folder)["content"]
    if not fits(found, wanted):
        differing = [
            f"{key} {in_short(found.get(key))} where {in_short(wanted.get(key))} is asked for"
            for key in sorted({*found, *wanted})
            if found.get(key) != wanted.get(key)
        ]
        raise ConfigError(
            f"The waveform cache {folder} was made with other settings ({'; '.join(differing)}): "
            "delete the folder and run cache again."
        )


def check_code(folder: Path, code: dict[str, str]) -> None:
    if changed := changed_code(folder, code):
        raise ConfigError(
            f"The waveform cache {folder} was filled before {', '.join(changed)} changed: run cache "
            "again, which fills it anew."
        )


def check_files(corpus: Split, cache: WaveformCache, now: np.ndarray) -> None:
    """Compares the audio of items whose files have another time than when the cache was filled.

    Their sizes are the same, or `home` would be another folder. Equal audio was copied or touched;
    the new times are noted, to compare it only once.
    """
    before = read_states(cache.folder / STATES)
    rows = () if before is None else differing(before, now)
    if not len(rows):
        return
    items = np.unique(now["item"][rows])
    log.info(
        "%s: %s, have another time than when they were cached; comparing the audio of %d items",
        cache.folder,
        named(corpus, rows),
        len(items),
    )
    wrong = [item for item in items if not cache.holds(corpus, item)]
    if wrong:
        replaced = rows[np.isin(now["item"][rows], wrong)]
        raise ConfigError(
            f"{named(corpus, replaced)}, were replaced since the waveform cache {cache.folder} was "
            "filled with them: delete that folder and run cache again."
        )
    with contextlib.suppress(OSError):  # a cache that may only be read is compared each time
        write_states(cache.folder / STATES, now)


def check_not_replaced(corpus: Split, content: dict[str, Any], now: np.ndarray) -> None:
    """Tells of a cache of the same items, made before their files got other sizes: another cache is
    theirs now, and nobody has filled it."""
    for folder in made_before(corpus, content):
        before = read_states(folder / STATES)
        rows = np.arange(len(now)) if before is None else differing(before, now)
        raise ConfigError(
            f"{named(corpus, rows)}, were replaced since the waveform cache {folder} was filled with "
            "them: run cache again, which fills another one, and delete that folder."
        )


def made_before(corpus: Split, content: dict[str, Any]) -> Iterator[Path]:
    """Caches of the same items with other file sizes, whose data lay where those of `corpus` lie."""
    of_corpus = origin(corpus)
    for path in corpus.cache_root.glob(f"{content['dataset']}-*/{corpus.name}/{MANIFEST}"):
        with contextlib.suppress(ConfigError):
            manifest = read_manifest(path.parent)
            same = fits({**manifest["content"], "items": content["items"]}, content)
            if same and manifest.get("origin") == of_corpus:
                yield path.parent


def check_audio(corpus: Split, cache: WaveformCache) -> None:
    """Compares the first, middle and last item: names, sizes and times may hide other audio."""
    for i in {0, len(corpus) // 2, len(corpus) - 1}:
        if not cache.holds(corpus, i):
            raise ConfigError(
                f"The waveform cache {cache.folder} holds different audio for {corpus.names[i]!r} "
                "than the dataset: delete the folder and run cache again."
            )
