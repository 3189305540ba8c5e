"""Loss dictionaries: what they may say, and the losses inside of others."""

import inspect
from typing import Any

import nussl
from torch import nn

from audition.errors import ConfigError

SETTINGS = ("weight", "class", "keys", "args", "kwargs")
NUM_INNER = {  # losses that stand on others, their first arguments
    "PermutationInvariantLoss": 1,
    "CombinationInvariantLoss": 1,
    "SinkPITLoss": 1,
    "ReorderedLoss": 2,
    "MixITLoss": 1,
}
OWN_KEYS = ("MixITLoss",)  # the others read what the loss inside them reads


def check_dictionary(dictionary: dict, binding: str) -> None:
    """Raises a ConfigError for mistakes that nussl doesn't notice or doesn't name."""
    if not isinstance(dictionary, dict) or not dictionary:
        raise ConfigError(
            f"train.{binding} is {dictionary!r}; it must be a dictionary with at least one loss, "
            "such as {'L1Loss': {'weight': 1.0}}."
        )
    if "loss" in dictionary:
        raise ConfigError(
            f"train.{binding} names a loss 'loss', the name of their combination; rename it."
        )
    if all(isinstance(one, dict) and one.get("weight") == 0 for one in dictionary.values()):
        raise ConfigError(f"train.{binding} gives every loss the weight 0; change at least one.")
    for name, settings in dictionary.items():
        if not isinstance(settings, dict):
            raise ConfigError(f"train.{binding}[{name!r}] is {settings!r}; it must be a dict.")
        unknown = [setting for setting in settings if setting not in SETTINGS]
        if unknown:
            raise ConfigError(
                f"train.{binding}[{name!r}] has no setting {unknown[0]!r}; it may have "
                f"{', '.join(SETTINGS)}."
            )
        check_inner(settings, settings.get("class", name), f"train.{binding}[{name!r}]")


def check_inner(settings: dict, class_name: str, where: str) -> None:
    """Refuses one that stands on others without them, and KLDivLoss of what it takes by default."""
    inner = inner_losses(settings, class_name)
    if None in inner:
        example = ["L1Loss", "MSELoss"][: len(inner)]
        raise ConfigError(
            f"{where} needs the {'loss' if len(inner) == 1 else 'two losses'} inside it, such as "
            f"'args': {example} or 'args': [{{'class': 'L1Loss'}}{', …' * (len(inner) - 1)}]."
        )
    if "KLDivLoss" in (class_name, *inner) and "keys" not in settings:
        raise ConfigError(
            f"{where} would take magnitudes for the log-probabilities that KLDivLoss needs, and fall "
            "without end as they grow: set its 'keys' to an output of logarithms, or take L1Loss."
        )


def inner_losses(settings: dict, class_name: str) -> list[str | None]:
    """Class names of the losses inside of one; None for each that `args` doesn't name."""
    count = NUM_INNER.get(class_name, 0)
    args = settings.get("args")
    args = list(args) if isinstance(args, list) else []
    return [class_of(one) for one in (args + [None] * count)[:count]]


def class_of(described: Any) -> str | None:
    name = described.get("class") if isinstance(described, dict) else described
    return name if isinstance(name, str) else None


def with_inner(dictionary: dict) -> dict:
    """The dictionary, in which the losses inside of others are built, and whose `keys` are there."""
    return {
        name: settings_with_inner(settings, settings.get("class", name))
        for name, settings in dictionary.items()
    }


def settings_with_inner(settings: dict, class_name: str) -> dict:
    """
    Raises:
        TypeError, AttributeError: a loss can't be built, or has nothing to permute.
    """
    inner = inner_losses(settings, class_name)
    if not inner:
        return settings
    args = settings["args"]
    built = [*map(build, args[: len(inner)]), *args[len(inner) :]]
    keys = {} if class_name in OWN_KEYS else {"keys": keys_of(inner[0])}
    return {**keys, **settings, "args": built}


def build(described: str | dict) -> nn.Module:
    settings = described if isinstance(described, dict) else {}
    made = getattr(nussl.ml.train.loss, class_of(described))
    return made(*settings.get("args", []), **settings.get("kwargs", {}))


def keys_of(name: str) -> dict[str, str]:
    """A loss's DEFAULT_KEYS, its first two arguments being estimates and targets.

    Raises:
        TypeError: a loss that doesn't compare two tensors, so that there is nothing to permute.
    """
    module = getattr(nussl.ml.train.loss, name)
    arguments = [one for one in inspect.signature(module.forward).parameters if one != "self"]
    key_of = {argument: key for key, argument in module.DEFAULT_KEYS.items()}
    if len(key_of) != 2:
        raise TypeError(f"{name} doesn't compare estimates with targets, one with one")
    return {key_of[arguments[0]]: "estimates", key_of[arguments[1]]: "targets"}
