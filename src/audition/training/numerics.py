"""How torch computes: what is the same in each run, and what is fast."""

import contextlib
import os
from collections.abc import Iterator

import torch

from audition.device import matmul_precision
from audition.errors import ConfigError

REFUSAL = "does not have a deterministic implementation"


@contextlib.contextmanager
def numerics(deterministic: bool, cudnn_benchmark: bool, matmul: str = "highest") -> Iterator[None]:
    """Sets torch's switches for a training, and puts them back.

    Args:
        deterministic: the same numbers in each run on the same GPU, from slower algorithms.
        cudnn_benchmark: tries cuDNN's algorithms for each new shape, and keeps the fastest.
        matmul: precision of float32 matrix products, see `audition.device.matmul_precision`.

    Raises:
        ConfigError: an operation of the network or its losses has no deterministic algorithm.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses without
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)
    try:
        with (
            matmul_precision(matmul),
            torch.backends.cudnn.flags(
                enabled=True,
                benchmark=cudnn_benchmark,
                deterministic=deterministic,
                allow_tf32=None,
                fp32_precision=None,
            ),
        ):
            yield
    except RuntimeError as error:
        if REFUSAL not in str(error):
            raise
        operation = str(error).split(REFUSAL)[0].strip()
        raise ConfigError(
            f"train.deterministic = True, and {operation} has no deterministic algorithm; bind False, "
            "or another network or loss."
        ) from error
    finally:
        torch.use_deterministic_algorithms(before)
