"""A split's waveforms in one memory-mapped file, packed once, shared by all runs.

A cache is a folder of three files: `waveforms.bin`, `index.bin` (where each item is) and
`manifest.json` (what it was made of). It is filled in a folder beside and renamed at the end, so a
folder of the cache's own name is complete. What shapes the content stands in the manifest: dataset,
settings, names and file sizes of the items. Paths and dates don't, so that a corpus may be moved or
copied; that its audio is still the same is checked on three items each time a cache is opened.
"""

import contextlib
import errno
import fcntl
import logging
import tempfile
from pathlib import Path

import numpy as np

from audition.datasets.identity import describe_content
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
    """Reads a complete cache. Each process maps the file for itself; the map never travels."""

    def __init__(self, folder, num_signals, num_channels):
        self.folder = folder
        self.shape = num_signals, num_channels
        self.index = np.fromfile(folder / "index.bin", INDEX)
        self.data = None

    def __len__(self):
        return len(self.index)

    def __getstate__(self):
        return {**self.__dict__, "data": None}

    def waveforms(self, i):
        """An item, `(1 + source, channel, sample)`, mix first, and the factor that scales it to 1.

        The array is a view of the memory map, int16 or float32.
        """
        if self.data is None:
            self.data = np.memmap(self.folder / "waveforms.bin", np.uint8, "r").view(np.ndarray)
        offset, num_samples, is_int16 = self.index[i].tolist()
        dtype, scale = (np.int16, INT16_SCALE) if is_int16 else (np.float32, np.float32(1))
        shape = *self.shape, num_samples
        return np.ndarray(shape, dtype, self.data, offset), scale


def open(corpus):
    """The WaveformCache of `corpus`, or None where none has been filled."""
    folder = corpus.cache_folder
    if folder is None or not folder.exists():
        return None
    check_manifest(corpus, folder)
    cache = WaveformCache(folder, 1 + len(corpus.source_names), corpus.num_channels)
    check_audio(corpus, cache)
    return cache


def check_manifest(corpus, folder):
    """The cache in `folder` is whole, and was made of what `corpus` is now."""
    if not (folder / "manifest.json").is_file():
        raise ConfigError(
            f"{folder} has no manifest.json, so it is no complete waveform cache: name another "
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
            f"The waveform cache {folder} was made of other settings ({'; '.join(differing)}): "
            f"name another {corpus.name}/build_dataset.cache_root, or delete the folder and run "
            "cache again."
        )
    for name, size in manifest["files"].items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            raise ConfigError(
                f"{folder / name} is missing or not {size} bytes long as its manifest says: delete "
                f"{folder} and run cache again."
            )


def check_audio(corpus, cache):
    """First, middle and last item sound as they did: same names and sizes may hide other audio."""
    for i in {0, len(corpus) // 2, len(corpus) - 1}:
        waveforms, scale = cache.waveforms(i)
        if not np.array_equal(waveforms * scale, corpus.waveforms(i)):
            raise ConfigError(
                f"The waveform cache {cache.folder} holds other audio for {corpus.names[i]!r} than "
                f"the dataset now: name another {corpus.name}/build_dataset.cache_root, or delete "
                "the folder and run cache again."
            )


def fill(corpus, num_workers=0):
    """Packs the waveforms of `corpus` into its cache folder, unless that is done already.

    Whoever comes second waits for the first. The folder appears when it is complete.

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
def lock(path):
    """Held by one process at a time; released also when that process is killed."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process fills %s: waiting", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def leftover_prefix(folder):
    return f".{folder.name}.filling."


def remove_leftovers(folder):
    """Removes what a killed fill left; the lock says that no fill is under way."""
    for leftover in folder.parent.glob(f"{leftover_prefix(folder)}*"):
        log.info("removing %s, left by a fill that was stopped", leftover)
        remove(leftover)


def remove(partial):
    """Removes the files that a fill writes, then the folder: never what someone else put there."""
    for name in ("waveforms.bin", "index.bin", "manifest.json"):
        (partial / name).unlink(missing_ok=True)
    for unfinished in partial.glob(".manifest.json.*"):
        unfinished.unlink()
    partial.rmdir()


def write_cache(corpus, folder, num_workers):
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
            f"The disk of {folder.parent} is full: free some space, or name another "
            f"{corpus.name}/build_dataset.cache_root; nothing of the cache is kept."
        ) from error


def encoded_items(corpus, num_workers):
    """Yields (number, array) of every item, as they get ready."""
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


def encode_items(corpus, chunk):
    return [(i, encode(corpus.waveforms(i))) for i in chunk]


def encode(waveforms):
    """int16 where that loses nothing (audio that was read from 16-bit files), else float32."""
    scaled = waveforms * 2**15
    if scaled.min() >= -(2**15) and scaled.max() < 2**15:
        short = scaled.astype(np.int16)
        if np.array_equal(short, scaled):
            return short
    return waveforms
