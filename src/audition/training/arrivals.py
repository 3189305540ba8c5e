"""Numbers on their way from the device, for which the host doesn't wait."""

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch


class Request(NamedTuple):
    """What waits for numbers.

    Attributes:
        iteration: in which they were asked for.
        copied: the event of a GPU that says when they are there, or None.
        then: called once they are.
    """

    iteration: int
    copied: torch.cuda.Event | None
    then: Callable[[], None]


class Arrivals:
    """Tensors that are being copied to the host while it goes on; delivered in the order of asking.

    The host runs ahead of a GPU, which does what it is told in order. Delivering an iteration's
    numbers once the next one is under way keeps the GPU busy, where reading them at once would empty
    its queue.
    """

    def __init__(self):
        self.under_way = deque()

    def __bool__(self) -> bool:
        return bool(self.under_way)

    def ask(self, tensor: torch.Tensor, then: Callable[[np.ndarray], None], iteration: int) -> None:
        """Begins to copy a tensor; `then` is called with its numbers by `deliver`."""
        on_gpu, copied = tensor.is_cuda, None
        host = tensor.detach().to("cpu", non_blocking=on_gpu, copy=True)  # pinned, from a GPU
        if on_gpu:
            copied = torch.cuda.Event()
            copied.record(torch.cuda.current_stream(tensor.device))
        self.queue(lambda: then(host.numpy()), iteration, copied)

    def queue(
        self, then: Callable[[], None], iteration: int, copied: torch.cuda.Event | None = None
    ) -> None:
        """Has `then` called after all that was asked for before."""
        self.under_way.append(Request(iteration, copied, then))

    def deliver(self, before: float = math.inf) -> None:
        """Hands over all that was asked for in iterations up to `before`, without that one."""
        while self.under_way and self.under_way[0].iteration < before:
            request = self.under_way.popleft()
            if request.copied is not None:
                request.copied.synchronize()
            request.then()
