"""Memory of this process: freed blocks are kept for the next batch."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT_BYTES = 2**30


def keep_freed_memory():
    """Lets glibc keep up to a gigabyte of freed memory, blocks of any size, for the next batch.

    By default it hands large blocks back to the system, and each batch on a CPU waits for fresh
    pages: up to a third of the time of features. Does nothing where the C library is another one.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the greatest that glibc takes
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
