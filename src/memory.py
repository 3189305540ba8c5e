"""Memory of this process: freed blocks are kept for the next batch; the most that was in use."""

import ctypes
import resource
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT_BYTES = 2**30
RUSAGE_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in which ru_maxrss counts


def keep_freed_memory():
    """Lets glibc keep up to a gigabyte of freed memory, blocks of any size, for the next batch.

    By default it hands large blocks back to the system, and each batch on a CPU waits for fresh
    pages: up to a third of the time of features. Does nothing where the C library is another one.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the greatest that glibc takes
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def peak_memory():
    """Bytes at most in use since this process began.

    Returns:
        dict with `peak_memory_bytes`, resident, of this process or the largest worker that has
        ended; and `peak_gpu_memory_bytes`, of all GPUs that torch used, None where it used none.
    """
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    resident = RUSAGE_UNIT * max(resource.getrusage(who).ru_maxrss for who in whose)
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    on_gpus = sum(torch.cuda.max_memory_allocated(gpu) for gpu in gpus) or None
    return {"peak_memory_bytes": resident, "peak_gpu_memory_bytes": on_gpus}
