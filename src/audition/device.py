"""The device to work on, and how the process keeps its memory."""

import ctypes
from typing import TYPE_CHECKING

from audition.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT_BYTES = 2**30


def choose_device(name: str) -> "torch.device":
    """The torch.device of this name; "auto" is a GPU if there is one.

    Raises:
        ConfigError: there is no such device.
    """
    import torch  # not at the top, so that the ground imports fast

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(
            f"device = {name!r} is not a device that torch knows: set it to 'auto', 'cpu' or "
            "'cuda'."
        ) from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device = {name!r}, but torch sees {torch.cuda.device_count()} CUDA GPUs here: set it "
            "to 'auto', 'cpu' or a GPU that exists."
        )
    return device


def copied(array: "np.ndarray", device: "torch.device") -> "torch.Tensor":
    """The array on the device; the host doesn't wait until a GPU has it."""
    import torch

    tensor = torch.from_numpy(array)
    tensor = tensor.pin_memory() if device.type == "cuda" else tensor
    return tensor.to(device, non_blocking=True)


def keep_freed_memory() -> None:
    """Lets glibc keep up to a gigabyte of freed memory, in blocks of any size, for the next batch.

    By default it returns large blocks to the system, so each batch on a CPU waits for fresh pages:
    up to a third of the time that features take. With another C library this does nothing.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the largest value that glibc accepts
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
