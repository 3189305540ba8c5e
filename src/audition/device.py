"""The device to work on, and how the process keeps its memory."""

import contextlib
import ctypes
from collections.abc import Iterator
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


@contextlib.contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Lets float32 matrix products on a GPU be of this precision, and puts back what was before.

    Args:
        name: "highest" is float32; "high" is TF32, whose numbers have 10 bits behind the point, and
            "medium" bfloat16, 7 bits. On a CPU with bfloat16 units, "medium" counts, too.
    """
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """No TF32, which changes masks by 1e-3, and which cuDNN or a training around this may have on."""
    import torch

    cudnn = torch.backends.cudnn.flags(enabled=True, allow_tf32=False, fp32_precision="ieee")
    with matmul_precision("highest"), cudnn:
        yield


def keep_freed_memory() -> None:
    """Lets glibc keep up to a gigabyte of freed memory, in blocks of any size, for the next batch.

    By default it returns large blocks to the system, so each batch on a CPU waits for fresh pages:
    up to a third of the time that features take. With another C library this does nothing.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_MMAP_THRESHOLD, 2**25)  # the largest value that glibc accepts
        library.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
