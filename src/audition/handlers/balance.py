"""Keeps several losses in proportion as their sizes drift."""

import logging
from typing import Any

import gin
import numpy as np
import torch
from ignite.engine import Engine, Events

from audition.errors import ConfigError
from audition.training.state import Training

log = logging.getLogger(__name__)


@gin.register
def add_auto_balance_loss(
    training: Training,
    every: int,
    ref_percentile: float = 100.0,
    ratios: dict[str, float] | None = None,
    reference: str | None = None,
) -> None:
    """Adjusts the weights of the losses so that the weighted losses keep the ratios you ask for.

    Training starts with a weight of 1 for each loss, whatever the loss dictionary says. Every
    `every` iterations, that iteration's losses join their histories, and new weights are set that
    sum to 1 and make `weight × L / ratio` the same for all losses, where L is the `ref_percentile`
    percentile of a loss's history. Logs `weight/<loss>`.

    This is how the bootstrapping paper's code balances losses, with three differences: losses of
    weight 0 are reported but not balanced (there they end the training with an error); L is a
    percentile of absolute values, because SISDRLoss is negative (there its weight becomes
    negative); and the weights stay as they are while an L is 0 (there that loss gets all the
    weight). Validation keeps the weights of its loss dictionary.

    Args:
        every: iterations between two adjustments.
        ref_percentile: 0 to 100; 100 takes the largest value so far.
        ratios: dict, loss → its share of the weighted sum relative to the others. Losses that are
            left out, or all with None, use their weight in the loss dictionary.
        reference: no longer used; version 0.1 kept the weight of this loss. Configs that bind it
            still load.

    Raises:
        ConfigError: `every` or `ref_percentile` is out of range, a ratio is not positive, or a
            ratio is for a loss that the loss dictionary doesn't have or gives the weight 0.
    """
    check(every, ref_percentile)
    if reference is not None:
        log.warning(
            "add_auto_balance_loss.reference is no longer used: the weights sum to 1, and losses "
            "left out of add_auto_balance_loss.ratios use their weight in train.loss_dictionary."
        )
    balance = Balance(training.losses, target_ratios(training.losses, ratios or {}), ref_percentile)
    training.keep("auto_balance", balance)

    def adjust(engine: Engine) -> None:
        if engine.state.iteration % every == 0 and not training.skipped_in_row:
            balance.update(engine.state.output)
        for name, weight in training.losses.weights.items():
            training.log_scalar(f"weight/{name}", weight)

    training.trainer.add_event_handler(Events.ITERATION_COMPLETED, adjust)


def check(every: int, ref_percentile: float) -> None:
    if every < 1:
        raise ConfigError(f"add_auto_balance_loss.every = {every} must be at least 1 iteration.")
    if not 0 <= ref_percentile <= 100:
        raise ConfigError(
            f"add_auto_balance_loss.ref_percentile = {ref_percentile} must lie between 0 and 100."
        )


def target_ratios(losses: Any, ratios: dict[str, float]) -> dict[str, float]:
    """The ratio of every loss whose weight isn't 0."""
    weights = {name: weight for name, weight in losses.weights.items() if weight}
    for name in ratios:
        if name not in weights:
            raise ConfigError(
                f"add_auto_balance_loss.ratios names {name!r}, which train.loss_dictionary doesn't "
                f"have or gives the weight 0; it may name {', '.join(weights)}."
            )
    for name, ratio in {**weights, **ratios}.items():
        if ratio <= 0:
            raise ConfigError(
                f"add_auto_balance_loss can't give {name} the ratio {ratio}; bind a positive one "
                "in add_auto_balance_loss.ratios."
            )
    return {**weights, **ratios}


class Balance:
    """Sets the weights of `losses` (`audition.losses.Losses`) from the history of each loss."""

    def __init__(self, losses: Any, ratios: dict[str, float], ref_percentile: float):
        self.losses = losses
        self.ratios = ratios
        self.ref_percentile = ref_percentile
        self.history = {name: [] for name in ratios}
        self.set_weights(dict.fromkeys(ratios, 1.0))

    def set_weights(self, weights: dict[str, float]) -> None:
        self.losses.weights = {**self.losses.weights, **weights}

    def update(self, output: dict[str, torch.Tensor]) -> None:
        """Adds an iteration's losses to the histories, and balances the weights.

        This waits for the device, as the next iteration needs the weights.
        """
        for name, history in self.history.items():
            history.append(abs(float(output[name])))
        sizes = {
            name: np.percentile(history, self.ref_percentile)
            for name, history in self.history.items()
        }
        if all(sizes.values()):
            shares = {name: ratio / sizes[name] for name, ratio in self.ratios.items()}
            total = sum(shares.values())
            self.set_weights({name: float(share / total) for name, share in shares.items()})

    def state_dict(self) -> dict:
        history = {
            name: torch.tensor(values, dtype=torch.float64) for name, values in self.history.items()
        }
        return {"weights": self.losses.weights, "history": history}

    def load_state_dict(self, state: dict) -> None:
        """Also accepts version 0.1's state, without histories: the next adjustment starts them."""
        self.set_weights(state["weights"])
        history = state.get("history", {name: torch.empty(0) for name in self.ratios})
        self.history = {name: history[name].tolist() for name in self.ratios}
