"""What it takes to see a step again that was not finite: `black_box/` in the run folder."""

import io
import math
from typing import Any

import torch

from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.runs.folder import Run
from audition.training import checkpoints
from audition.training.state import Training


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


def write(training: Training, values: dict[str, float], rng: dict[str, torch.Tensor]) -> None:
    """Writes the step under way, whose gradients are there and which hasn't changed the weights.

    Args:
        values: its losses and its gradient's norm.
        rng: the generators' states before it.
    """
    buffer = io.BytesIO()
    weights = {
        "model": training.model.state_dict(),
        "losses": training.losses.weights,
        "loss_states": training.losses.state_dict(),
        "rng": rng,
    }
    torch.save(weights, buffer)
    checkpoints.write_whole(buffer.getbuffer(), training.run.black_box_weights)
    state = training.trainer.state
    step = {
        "iteration": state.iteration,
        "epoch": state.epoch,
        "seed": state.dataloader.dataset.seed,
        "values": plain(values),
        "excerpts": excerpts(state),
        "gradient_norms": plain(gradient_norms(training.model)),
    }
    write_json(training.run.black_box_step, step)


def excerpts(state: Any) -> list[dict[str, Any]]:
    """The excerpts of the step under way: name of the item, first sample, length."""
    dataset = state.dataloader.dataset
    indices = state.dataloader.batch_sampler.of(state.iteration)
    return [dataset.place(index)._asdict() for index in indices]


def gradient_norms(model: torch.nn.Module) -> dict[str, float]:
    named = [(name, one.grad) for name, one in model.named_parameters() if one.grad is not None]
    return {name: float(gradient.norm()) for name, gradient in named}


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
