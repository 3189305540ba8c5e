"""What it takes to see a step again that was not finite: `black_box/` in the run folder."""

import io
import math
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader

from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.runs.folder import Run
from audition.training import checkpoints
from audition.training.state import Training


class Moment(NamedTuple):
    """The iteration of a step, and what was there before it.

    Attributes:
        loss_weights: dict, name of loss → weight.
        rng: the generators' states.
    """

    iteration: int
    epoch: int
    loss_weights: dict[str, float]
    rng: dict[str, torch.Tensor]


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """States of the generators that a network draws from; no wait for the device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)


def write(
    training: Training,
    moment: Moment,
    weights: dict[str, dict],
    values: dict[str, float],
    gradient_norms: dict[str, torch.Tensor],
) -> None:
    """Writes a step.

    Args:
        moment: when it was.
        weights: state dicts of the `model` and of its losses, `loss_states`, before it.
        values: its losses and its gradient's norm.
        gradient_norms: name of parameter → norm of its gradient.
    """
    buffer = io.BytesIO()
    torch.save({**weights, "losses": moment.loss_weights, "rng": moment.rng}, buffer)
    checkpoints.write_whole(buffer.getbuffer(), training.run.black_box_weights)
    loader = training.trainer.state.dataloader
    step = {
        "iteration": moment.iteration,
        "epoch": moment.epoch,
        "seed": loader.dataset.seed,
        "values": plain(values),
        "excerpts": excerpts(loader, moment.iteration),
        "gradient_norms": plain({name: float(one) for name, one in gradient_norms.items()}),
    }
    write_json(training.run.black_box_step, step)


def excerpts(loader: DataLoader, iteration: int) -> list[dict[str, Any]]:
    """The excerpts of an iteration: name of the item, first sample, length."""
    indices = loader.batch_sampler.of(iteration)
    return [loader.dataset.place(index)._asdict() for index in indices]


def plain(values: dict[str, float]) -> dict[str, float | str]:
    """With "nan" and "inf" as text, since JSON has no such numbers."""
    return {name: one if math.isfinite(one) else str(one) for name, one in values.items()}


def check_present(run: Run) -> None:
    """Raises ConfigError if no step was written."""
    if not run.black_box_step.is_file():
        raise ConfigError(
            f"{run.black_box} holds no step: replay is for a training that ended because a loss or "
            "a gradient was not finite."
        )


def read(run: Run, device: torch.device) -> tuple[dict[str, Any], dict[str, Any]]:
    """`(step, weights)` as `write` wrote them."""
    weights = torch.load(run.black_box_weights, map_location=device, weights_only=True)
    return read_json(run.black_box_step), weights
