"""Fills a cache: one process at a time, and a killed one leaves nothing that passes for a cache."""

import contextlib
import errno
import fcntl
import hashlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from audition.datasets.identity import file_states
from audition.datasets.split import Split
from audition.datasets.waveform_cache.places import (
    INDEX,
    MANIFEST,
    PLACE,
    STATES,
    WAVEFORMS,
    changed_code,
    code_of_audio,
    content_of,
    home,
    origin,
    remove,
)
from audition.datasets.waveform_cache.reading import open
from audition.datasets.waveform_cache.states import as_rows, write_states
from audition.errors import ConfigError
from audition.files import write_json
from audition.parallel import ItemsFailed, map_items

log = logging.getLogger(__name__)

ITEMS_PER_JOB = 8
LEFTOVER = r"^\.(.+)\.filling\..*$"  # folder that a fill works in


def fill(corpus: Split, num_workers: int = 0) -> bool:
    """Packs the waveforms of `corpus` into its cache folder, unless that is already done.

    A second process waits for the first. The folder appears once it is complete.

    Returns:
        whether there was anything to do.
    """
    content = content_of(corpus)
    folder, code = home(corpus, content), code_of_audio(corpus, content)
    corpus.cache_root.mkdir(parents=True, exist_ok=True)
    with lock(lock_of(folder, corpus.cache_root)):
        if folder.exists() and (changed := changed_code(folder, code)):
            log.info("%s was filled before %s changed: again", folder, ", ".join(changed))
            remove(folder)
        if folder.exists():
            open(corpus)
            return False
        remove_leftovers(folder)
        folder.parent.mkdir(exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=leftover_prefix(folder)))
        try:
            write_cache(corpus, partial, num_workers)
            partial.chmod(0o755)
            partial.rename(folder)
        except BaseException:
            remove(partial)
            with contextlib.suppress(OSError):  # holds caches of other splits
                folder.parent.rmdir()
            raise
    return True


def lock_of(folder: Path, root: Path) -> Path:
    """In the root, so that a key's folder can be removed while others wait for the lock."""
    return root / f".{folder.relative_to(root).as_posix().replace('/', '.')}.lock"


@contextlib.contextmanager
def lock(path: Path, wait: bool = True) -> Iterator[None]:
    """A lock that one process holds at a time; it is released even if that process is killed.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
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


def write_cache(corpus: Split, folder: Path, num_workers: int) -> None:
    states = file_states(corpus)  # before any is read: a file that changes now is noticed later
    try:
        with (folder / WAVEFORMS).open("wb") as file:
            index, sha256 = write_items(file, encoded_items(corpus, num_workers), len(corpus))
        (folder / INDEX).write_bytes(index.tobytes())
        write_states(folder / STATES, as_rows(states))
        checksums = {WAVEFORMS: sha256, INDEX: hashlib.sha256(index.tobytes()).hexdigest()}
        content = content_of(corpus, states)
        manifest = {
            "content": content,
            "code": code_of_audio(corpus, content),
            "files": {name: (folder / name).stat().st_size for name in checksums},
            "checksums": checksums,
            "origin": origin(corpus),
        }
        write_json(folder / MANIFEST, manifest)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ConfigError(
            f"The disk of {corpus.cache_root} is full: free some space, or bind another "
            f"{corpus.name}/build_dataset.cache_root; the unfinished cache was removed."
        ) from error


def write_items(
    file, items: Iterable[tuple[int, np.ndarray]], count: int
) -> tuple[np.ndarray, str]:
    """The index of what was written, and its sha256."""
    index, sha256 = np.zeros(count, PLACE), hashlib.sha256()
    for i, array in items:
        index[i] = file.tell(), array.shape[-1], array.dtype == np.int16
        file.write(array)
        sha256.update(array)
    return index, sha256.hexdigest()


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
        raise ConfigError(f"The cache of {corpus.name} was not made: {reasons}") from error


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
