"""One iteration: batch → features → network → losses and, in training, a step of the optimizer."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import torch
from ignite.engine import Engine

from audition.training.finite import Finiteness
from audition.training.state import Part, Training, TrainingEvents

WAVEFORMS = ("mix", "sources")


class Forward:
    """Waveforms of a batch → the network's output, and the features that the losses read.

    Args:
        mixed_precision: name of the dtype of the network's forward pass, or None.
        remix: changes the waveforms of each training iteration, or None.
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

    def parts(self, batch: dict, iteration: int, count: int) -> Iterator[tuple[Any, dict]]:
        """A training batch on the device, remixed, in `count` parts of the same size.

        Yields:
            `(index, waveforms)`.
        """
        waveforms = self.on_device(batch)
        if self.remix is not None:  # before the cut, since the draws depend on the whole batch
            waveforms = self.remix(waveforms, iteration)
        size = len(batch["index"]) // count
        for start in range(0, size * count, size):
            part = slice(start, start + size)
            yield batch["index"][part], {name: value[part] for name, value in waveforms.items()}

    def on_device(self, batch: dict) -> dict:
        """The batch on the device, without its index."""
        return {
            name: value.to(self.device, non_blocking=True)
            for name, value in batch.items()
            if name != "index"
        }

    def __call__(
        self, waveforms: dict, network: torch.nn.Module | None = None
    ) -> tuple[dict, dict]:
        """Returns `(output, data)`, dicts of float32 tensors, for waveforms on the device.

        Args:
            network: another than the one that is trained.
        """
        extras = {name: value for name, value in waveforms.items() if name not in WAVEFORMS}
        data = {**extras, **self.features(waveforms)}
        with precision(self.device, self.dtype):
            output = (network or self.network)(dict(data))
        return {name: value.float() for name, value in output.items()}, data


@contextlib.contextmanager
def precision(device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """The context of a forward pass in `dtype`; None is float32.

    On a CPU it disables oneDNN, whose bfloat16 LSTM fails without AVX-512; PyTorch's own runs
    everywhere.
    """
    with contextlib.ExitStack() as contexts:
        if dtype is not None:
            contexts.enter_context(torch.autocast(device.type, dtype))
        if dtype is not None and device.type == "cpu":
            without_onednn = {"enabled": False, "allow_tf32": None, "fp32_precision": None}
            contexts.enter_context(torch.backends.mkldnn.flags(**without_onednn))
        yield


def make_engine(process: Callable) -> Engine:
    """An ignite Engine that logs no errors, as main.py prints each one once."""
    engine = Engine(process)
    engine.logger.setLevel(logging.CRITICAL)
    return engine


class Step:
    """One iteration of a training: forward and backward part by part, clipping (by handlers), one step.

    Losses and gradients are means over the parts, and so equal those of the whole batch. If one of
    them isn't finite, the training ends, or the step is left out. The host waits for the device
    nowhere, so that the next iteration is prepared while this one is computed. Subclass it for a step of your own,
    see docs/adding.md.

    Attributes:
        training: Training.
        forward: Forward.
        finiteness: Finiteness.
    """

    def attach(self, training: Training, forward: Forward) -> None:
        """Called once, before anything is restored: make here what the step needs beside the network,
        and pass to `training.keep` what must survive a restart."""
        self.training, self.forward = training, forward
        self.finiteness = Finiteness(training)

    def __call__(self, batch: dict) -> dict[str, torch.Tensor]:
        """Does the iteration; returns its losses, scalars on the device."""
        self.begin()
        return self.finish([self.part(index, one) for index, one in self.parts(batch)])

    def begin(self) -> None:
        self.training.model.train()
        self.training.optimizer.zero_grad(set_to_none=True)
        self.finiteness.begin()

    def parts(self, batch: dict) -> Iterator[tuple[Any, dict]]:
        """`(index, waveforms)` of each part of the batch, on the device."""
        training = self.training
        return self.forward.parts(
            batch, training.trainer.state.iteration, training.accumulate_batches
        )

    def part(self, index: torch.Tensor, waveforms: dict) -> dict[str, torch.Tensor]:
        """Adds the gradients of a part; returns its losses."""
        training = self.training
        output, data = self.forward(waveforms)
        losses = self.losses(output, data)
        training.scaler.scale(losses["loss"] / training.accumulate_batches).backward()
        training.trainer.state.part = Part(index, output, data)
        training.trainer.fire_event(TrainingEvents.PART_COMPLETED)
        training.trainer.state.part = None  # its memory is free for the next
        return {name: value.detach().float() for name, value in losses.items()}

    def losses(self, output: dict, data: dict) -> dict[str, torch.Tensor]:
        """Scalars by name; the network is trained on "loss", the others are logged."""
        return self.training.losses(output, data)

    def finish(self, losses: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """Steps the network's optimizer, if all is finite; returns the means of the parts' losses."""
        training = self.training
        training.scaler.unscale_(training.optimizer)
        means = {name: torch.stack([one[name] for one in losses]).mean() for name in losses[0]}
        if self.finiteness.may_step(means):
            training.trainer.fire_event(TrainingEvents.BACKWARD_COMPLETED)
            training.scaler.step(training.optimizer)
        training.scaler.update()
        return means


@torch.no_grad()
def val_step(training: Training, forward: Forward, batch: dict) -> dict[str, torch.Tensor]:
    training.judged.eval()
    output, data = forward(forward.on_device(batch), training.average)
    return {name: value.float() for name, value in training.val_losses(output, data).items()}
