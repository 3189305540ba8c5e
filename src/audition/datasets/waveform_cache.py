"""A split's waveforms in one memory-mapped file, packed once and shared by all runs.

A cache is a folder of three files: `waveforms.bin`, `index.bin` (where each item is) and
`manifest.json` (what it was made from). It is filled under another name and renamed at the end, so
a folder with the cache's own name is always complete. The manifest records what shapes the content:
dataset, settings, names and file sizes of the items. It leaves out paths and dates, so a corpus can
be moved or copied; instead, the audio of three items is compared whenever a cache is opened.
"""

import contextlib
import errno
import fcntl
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from audition.datasets.identity import describe_content
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.identity import former, in_short
from audition.parallel import ItemsFailed, map_items

log = logging.getLogger(__name__)

FORMAT = "waveforms 1"
INDEX = np.dtype([("offset", "<i8"), ("num_samples", "<i8"), ("is_int16", "?")])
INT16_SCALE = np.float32(2**-15)
ITEMS_PER_JOB = 8


class WaveformCache:
    """Reads a complete cache. Each process maps the file for itself; the map is never pickled."""

    def __init__(self, folder: Path, num_signals: int, num_channels: int):
        self.folder = folder
        self.shape = num_signals, num_channels
        self.index = np.fromfile(folder / "index.bin", INDEX)
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
            self.data = np.memmap(self.folder / "waveforms.bin", np.uint8, "r").view(np.ndarray)
        offset, num_samples, is_int16 = self.index[i].tolist()
        dtype, scale = (np.int16, INT16_SCALE) if is_int16 else (np.float32, np.float32(1))
        shape = *self.shape, num_samples
        return np.ndarray(shape, dtype, self.data, offset), scale


def open(corpus: Split) -> WaveformCache | None:
    """The WaveformCache of `corpus`, or None if none has been filled."""
    folder = corpus.cache_folder
    if folder is None or not folder.exists():
        return None
    check_manifest(corpus, folder)
    cache = WaveformCache(folder, 1 + len(corpus.source_names), corpus.num_channels)
    check_audio(corpus, cache)
    return cache


def check_manifest(corpus: Split, folder: Path) -> None:
    """Raises a ConfigError unless the cache in `folder` is complete and matches `corpus`."""
    if not (folder / "manifest.json").is_file():
        raise ConfigError(
            f"{folder} has no manifest.json, so it isn't a complete waveform cache: bind another "
            f"{corpus.name}/build_dataset.cache_root, or delete the folder and run cache again."
        )
    manifest, content = read_json(folder / "manifest.json"), describe_content(corpus)
    found, wanted = manifest["content"], {"format": FORMAT, **content}
    if found not in (wanted, former(wanted)):
        differing = [
            f"{key} {in_short(found.get(key))} where {in_short(wanted.get(key))} is asked for"
            for key in sorted({*found, *wanted})
            if found.get(key) != wanted.get(key)
        ]
        raise ConfigError(
            f"The waveform cache {folder} was made with other settings ({'; '.join(differing)}): "
            f"bind another {corpus.name}/build_dataset.cache_root, or delete the folder and run "
            "cache again."
        )
    for name, size in manifest["files"].items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            raise ConfigError(
                f"{folder / name} is missing, or isn't {size} bytes long as its manifest says: "
                f"delete {folder} and run cache again."
            )


def check_audio(corpus: Split, cache: WaveformCache) -> None:
    """Compares the first, middle and last item: the same names and sizes may hide other audio."""
    for i in {0, len(corpus) // 2, len(corpus) - 1}:
        waveforms, scale = cache.waveforms(i)
        if not np.array_equal(waveforms * scale, corpus.waveforms(i)):
            raise ConfigError(
                f"The waveform cache {cache.folder} holds different audio for {corpus.names[i]!r} "
                f"than the dataset: bind another {corpus.name}/build_dataset.cache_root, or delete "
                "the folder and run cache again."
            )


def fill(corpus: Split, num_workers: int = 0) -> bool:
    """Packs the waveforms of `corpus` into its cache folder, unless that is already done.

    A second process waits for the first. The folder appears once it is complete.

    Returns:
        whether there was anything to do.
    """
    folder = corpus.cache_folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with lock(folder.parent / f".{folder.name}.lock"):
        if folder.exists():
            open(corpus)
            return False
        remove_leftovers(folder)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=leftover_prefix(folder)))
        try:
            write_cache(corpus, partial, num_workers)
            partial.chmod(0o755)
            partial.rename(folder)
        except BaseException:
            remove(partial)
            raise
    return True


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """A lock that one process holds at a time; it is released even if that process is killed."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is filling this cache (lock %s): waiting", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def leftover_prefix(folder: Path) -> str:
    return f".{folder.name}.filling."


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed fill left behind; the lock ensures that no other fill is running."""
    for leftover in folder.parent.glob(f"{leftover_prefix(folder)}*"):
        log.info("removing %s, left behind by an interrupted fill", leftover)
        remove(leftover)


def remove(partial: Path) -> None:
    """Removes the files that a fill writes, then the folder, but nothing that others put there."""
    for name in ("waveforms.bin", "index.bin", "manifest.json"):
        (partial / name).unlink(missing_ok=True)
    for unfinished in partial.glob(".manifest.json.*"):
        unfinished.unlink()
    partial.rmdir()


def write_cache(corpus: Split, folder: Path, num_workers: int) -> None:
    index = np.zeros(len(corpus), INDEX)
    try:
        with (folder / "waveforms.bin").open("wb") as file:
            for i, array in encoded_items(corpus, num_workers):
                index[i] = file.tell(), array.shape[-1], array.dtype == np.int16
                file.write(array)
        (folder / "index.bin").write_bytes(index.tobytes())
        files = {name: (folder / name).stat().st_size for name in ("waveforms.bin", "index.bin")}
        content = {"format": FORMAT, **describe_content(corpus)}
        write_json(folder / "manifest.json", {"content": content, "files": files})
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ConfigError(
            f"The disk of {folder.parent} is full: free some space, or bind another "
            f"{corpus.name}/build_dataset.cache_root; the unfinished cache was removed."
        ) from error


def encoded_items(corpus: Split, num_workers: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (number, array) of every item, as each one is ready."""
    chunks = [
        range(start, min(start + ITEMS_PER_JOB, len(corpus)))
        for start in range(0, len(corpus), ITEMS_PER_JOB)
    ]
    jobs = ((f"{corpus.name} {chunk[0]}", (corpus, chunk)) for chunk in chunks)
    try:
        results = map_items(
            encode_items,
            jobs,
            num_workers,
            f"cache {corpus.name}",
            len(chunks),
            f"{ITEMS_PER_JOB}-item chunk",
        )
        for _, arrays in results:
            yield from arrays
    except ItemsFailed as error:
        errors = [failure.error for failure in error.failures.values()]
        if not all(isinstance(one, ConfigError) for one in errors):
            raise
        reasons = " ".join(map(str, errors))
        raise ConfigError(f"{corpus.cache_folder} was not made: {reasons}") from error


def encode_items(corpus: Split, chunk: Iterable[int]) -> list[tuple[int, np.ndarray]]:
    return [(i, encode(corpus.waveforms(i))) for i in chunk]


def encode(waveforms: np.ndarray) -> np.ndarray:
    """int16 if that loses nothing, as for audio from 16-bit files, else float32."""
    scaled = waveforms * 2**15
    if scaled.min() >= -(2**15) and scaled.max() < 2**15:
        short = scaled.astype(np.int16)
        if np.array_equal(short, scaled):
            return short
    return waveforms
