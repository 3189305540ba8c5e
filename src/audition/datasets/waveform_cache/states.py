"""Sizes and times of the files that a cache was made from: whether they are still those."""

import hashlib
import logging
import os
from pathlib import Path

import numpy as np

from audition.datasets.identity import State
from audition.datasets.split import Split
from audition.files import write_and_rename

log = logging.getLogger(__name__)

STATE = np.dtype([("item", "<i8"), ("size", "<i8"), ("time_ns", "<i8")])
MISSING = (-1, -1)
DIGEST_BYTES = hashlib.sha256().digest_size
NAMED = 5  # files that an error names


def as_rows(states: list[list[State]]) -> np.ndarray:
    """What `file_states` says as a row of STATE per file, item by item."""
    rows = [(item, *(state or MISSING)) for item, of_item in enumerate(states) for state in of_item]
    return np.array(rows, STATE)


def write_states(path: Path, states: np.ndarray) -> None:
    """Writes them after their own sha256, as they may be written again when the cache is complete."""
    content = states.tobytes()
    with write_and_rename(path, "wb") as file:
        file.write(hashlib.sha256(content).digest() + content)


def read_states(path: Path) -> np.ndarray | None:
    """What `write_states` wrote; None if that is missing or damaged."""
    content = path.read_bytes() if path.is_file() else b""
    digest, content = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    return np.frombuffer(content, STATE) if hashlib.sha256(content).digest() == digest else None


def differing(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Numbers of the rows of `now` that differ; all of them where the items have other files."""
    if not np.array_equal(before["item"], now["item"]):
        return np.arange(len(now))
    return np.flatnonzero(before != now)


def named(corpus: Split, rows: np.ndarray) -> str:
    """`3 files: s1/a.wav, s2/a.wav, s1/b.wav`; the rows are numbers of files in `as_rows`."""
    paths = [
        path
        for item in corpus.dataset.items
        for path in dict.fromkeys(corpus.described.item_files(item))
    ]
    names = [os.path.relpath(paths[row], corpus.dataset.folder) for row in rows[:NAMED]]
    more = ", …" if len(rows) > NAMED else ""
    return f"{len(rows)} of {len(paths)} files: {', '.join(names)}{more}"
