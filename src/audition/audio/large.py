"""Arrays that don't fit into memory together: on disk, read and written a block at a time."""

import mmap
import os
import tempfile
from collections.abc import Iterator

import numpy as np

LARGE_BYTES = 2**25  # three minutes of stereo at 44.1 kHz, nine of mono at 16 kHz
BLOCK_SAMPLES = 2**18


def empty(shape: tuple[int, ...], dtype: np.dtype = np.float32) -> np.ndarray:
    """An array to be filled; a large one lies in a file without a name, in TMPDIR.

    Raises:
        OSError: the disk has no room for it.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= LARGE_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a map of a full disk would end the process
        return np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)


def map_of(array: np.ndarray) -> mmap.mmap | None:
    """The map that an array from `empty`, or a view of it, lies in; None in memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


def release(array: np.ndarray) -> None:
    """Gives the memory that parts of an array took back to the system; the content stays."""
    if (found := map_of(array)) is not None:
        found.madvise(mmap.MADV_DONTNEED)


def blocks(num_samples: int, size: int | None = None) -> Iterator[slice]:
    """Slices of `size`, by default BLOCK_SAMPLES, the last one shorter."""
    size = size or BLOCK_SAMPLES
    for start in range(0, num_samples, size):
        yield slice(start, min(start + size, num_samples))
