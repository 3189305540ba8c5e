"""Builds the optimizer that a .gin file names."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn
from torch.optim import LBFGS, Optimizer, SparseAdam

from audition.errors import ConfigError

UNFIT = {
    LBFGS: "computes the loss several times a step, and train computes it once",
    SparseAdam: "takes sparse gradients only, and these networks have dense ones",
}


def make_optimizer(
    reference: Callable[[Iterable], Optimizer], parameters: Iterable[nn.Parameter]
) -> Optimizer:
    """`reference(parameters)`.

    Raises:
        ConfigError: an optimizer that can't train these parameters.
    """
    try:
        optimizer = reference(parameters)
    except ValueError as error:  # torch raises it for settings and parameters it doesn't accept
        reason = str(error).rstrip(".")
        raise ConfigError(f"train.optimizer can't be built ({reason}); bind another.") from error
    for unfit, reason in UNFIT.items():
        if isinstance(optimizer, unfit):
            raise ConfigError(f"train.optimizer = @{unfit.__name__} {reason}; bind another.")
    return optimizer


def with_new_settings(
    state: dict, optimizer: Optimizer, begun: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """An optimizer's state from a checkpoint, with today's settings where they are others.

    A schedule goes on from where it was: a learning rate that it had halved is half of the new one.

    Args:
        optimizer: just built, with what a scheduler has put into its groups.
        begun, settings: its settings in the passports of the checkpoint, and of today.
    """
    new = {key for key in settings if begun.get(key, settings[key]) != settings[key]}

    def updated(then: dict, now: dict) -> dict:
        own = {key: now[key] for key in now if key in new or key not in {*settings, "params"}}
        if "lr" in new and begun["lr"]:
            own["lr"] = then["lr"] * settings["lr"] / begun["lr"]
        return {**then, **own}

    groups = zip(state["param_groups"], optimizer.param_groups, strict=True)
    return {**state, "param_groups": [updated(*pair) for pair in groups]}
