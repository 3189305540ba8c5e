"""What the work is done on: a device, and how it keeps its memory."""

import ctypes

from audition.errors import ConfigError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT_BYTES = 2**30


def choose_device(name):
    """torch.device of a name; "auto" is a GPU where there is one.

    Raises:
        ConfigError: a device that isn't there.
    """
    import torch  # not at the top: the ground starts in a blink

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"device = {name!r} is none that torch knows: set it to 'auto', 'cpu' or 'cuda'."
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device = {name!r}, but torch sees {torch.cuda.device_count()} CUDA GPUs here: set it to "
            "'auto', 'cpu' or one that is there."
        )
    return device


def keep_freed_memory():
    """Lets glibc keep up to a gigabyte of freed memory, blocks of any size, for the next batch.

    By default it hands large blocks back to the system, and each batch on a CPU waits for fresh
    pages: up to a third of the time of features. Does nothing where the C library is another one.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the greatest that glibc takes
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
