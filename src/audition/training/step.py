"""One iteration: batch → features → network → losses, and for training the step."""

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch
from ignite.engine import Engine

from audition.training.state import Training, TrainingEvents


class Forward:
    """Waveforms of a batch → what the network gives, and the features the losses read.

    Args:
        mixed_precision: name of the dtype of the network's forward pass, or None.
        remix: what changes the waveforms of an iteration of training, or None.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        features: Callable,
        device: torch.device,
        mixed_precision: str | None,
        remix: Callable | None = None,
    ):
        self.network = network
        self.features = features
        self.device = device
        self.remix = remix
        self.dtype = getattr(torch, mixed_precision) if mixed_precision else None

    def __call__(self, batch: dict, iteration: int | None = None) -> tuple[dict, dict]:
        """Returns `(output, data)`, dicts of float32 tensors; None stands for validation."""
        waveforms = {
            name: value.to(self.device, non_blocking=True)
            for name, value in batch.items()
            if name != "index"
        }
        if self.remix is not None and iteration is not None:
            waveforms = self.remix(waveforms, iteration)
        data = self.features(waveforms)
        with precision(self.device, self.dtype):
            output = self.network(dict(data))
        return {name: value.float() for name, value in output.items()}, data


@contextlib.contextmanager
def precision(device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """The context of a forward pass in `dtype`; None is float32.

    On a CPU it leaves oneDNN aside, whose bfloat16 LSTM fails where there is no AVX-512; PyTorch's
    own runs everywhere.
    """
    with contextlib.ExitStack() as contexts:
        if dtype is not None:
            contexts.enter_context(torch.autocast(device.type, dtype))
        if dtype is not None and device.type == "cpu":
            without_onednn = {"enabled": False, "allow_tf32": None, "fp32_precision": None}
            contexts.enter_context(torch.backends.mkldnn.flags(**without_onednn))
        yield


def make_engine(process: Callable) -> Engine:
    """An ignite Engine that leaves it to main.py to print what went wrong, once."""
    engine = Engine(process)
    engine.logger.setLevel(logging.CRITICAL)
    return engine


def train_step(training: Training, forward: Forward, batch: dict) -> dict[str, float]:
    """One iteration: forward, backward, clip (handlers), step."""
    training.model.train()
    output, data = forward(batch, training.trainer.state.iteration)
    losses = training.losses(output, data)
    training.optimizer.zero_grad(set_to_none=True)
    training.scaler.scale(losses["loss"]).backward()
    training.scaler.unscale_(training.optimizer)
    training.trainer.fire_event(TrainingEvents.BACKWARD_COMPLETED)
    training.scaler.step(training.optimizer)
    training.scaler.update()
    return as_floats(losses)


@torch.no_grad()
def val_step(training: Training, forward: Forward, batch: dict) -> dict[str, float]:
    training.model.eval()
    output, data = forward(batch)
    return as_floats(training.val_losses(output, data))


def as_floats(losses: dict[str, torch.Tensor]) -> dict[str, float]:
    """dict of floats; one transfer from the device for all."""
    values = torch.stack([value.detach().float() for value in losses.values()]).tolist()
    return dict(zip(losses, values, strict=True))
