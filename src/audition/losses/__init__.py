"""Losses: nussl's, combined by a dictionary in the .gin file, and your own.

A loss dictionary maps a name to its settings:

    train.loss_dictionary = {
        'WhitenedKMeansLoss': {'weight': 1.0},
        'PermutationInvariantLoss': {'weight': 2.0, 'args': ['L1Loss']},
    }

Each entry may have `weight`, `class` (if the name is not the class), `keys` (which of the model's
outputs and features go to which argument: `{'mask': 'input', 'shares': 'target'}`), `args` and
`kwargs`. A weight of 0 reports the loss without training on it. Losses are L1Loss, MSELoss,
KLDivLoss, SISDRLoss, DeepClusteringLoss, WhitenedKMeansLoss, PermutationInvariantLoss,
CombinationInvariantLoss, and any class decorated with `loss`. The two invariant ones read what the
loss inside them reads (its arguments are then `estimates` and `targets`), and choose one permutation
per utterance (Kolbæk et al., TASLP 2017); nussl's own versions choose one per time-frequency bin, see
`audition.compat`.

KLDivLoss is torch's: it takes log-probabilities, and of magnitudes it falls the larger they are. It is
refused unless its `keys` say which output holds them:

    'KLDivLoss': {'keys': {'log_shares': 'input', 'shares': 'target'}}
"""

import inspect
import math

import gin
import nussl
import torch
from nussl.ml.train.closures import Closure, ClosureException
from torch import nn

from audition.errors import ConfigError
from audition.losses.permutation import CombinationInvariantLoss, PermutationInvariantLoss

COMBINATIONS = ("combine_by_sum", "combine_by_multiply")
SETTINGS = ("weight", "class", "keys", "args", "kwargs")
INVARIANT = ("PermutationInvariantLoss", "CombinationInvariantLoss")


def loss(module: type[nn.Module]) -> type[nn.Module]:
    """Class decorator that makes an `nn.Module` available to loss dictionaries.

    The class needs `DEFAULT_KEYS`, a dict from keys of the batch to names of `forward`'s arguments.
    """
    nussl.ml.register_loss(module)
    return gin.register(module)


nussl.ml.register_loss(PermutationInvariantLoss)
nussl.ml.register_loss(CombinationInvariantLoss)


class Losses(Closure):
    """The weighted losses of one loss dictionary.

    Args:
        loss_dictionary: see the module's docstring.
        combination: "combine_by_sum" or "combine_by_multiply".
        binding: name of the binding that the dictionary came from, for errors.

    Raises:
        ConfigError: a loss or a setting that doesn't exist.
    """

    def __init__(
        self,
        loss_dictionary: dict[str, dict],
        combination: str = "combine_by_sum",
        binding: str = "loss_dictionary",
    ):
        if combination not in COMBINATIONS:
            raise ConfigError(
                f"train.loss_combination = {combination!r} is neither 'combine_by_sum' nor "
                "'combine_by_multiply'; choose one."
            )
        self.binding = binding
        check_dictionary(loss_dictionary, binding)
        try:
            super().__init__(with_keys_of_inner(loss_dictionary), combination)
        except (ClosureException, TypeError, AttributeError) as error:
            reason = str(error).split(" which has ")[0]
            raise ConfigError(f"train.{binding} can't be used: {reason}.") from error

    def combine_by_multiply(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        """Product of the weighted losses; as in the sum, a loss of weight 0 is only reported."""
        return math.prod(weight * values[name] for name, weight in self.weights.items() if weight)

    def __call__(self, output: dict, data: dict) -> dict[str, torch.Tensor]:
        """Every loss, and their combination under "loss".

        Args:
            output: dict of the model's outputs.
            data: dict of features, which win over outputs of the same name.

        Returns:
            dict, name → scalar tensor.
        """
        self.check_keys({*output, *data})
        return self.compute_loss(dict(output), data)

    def check_keys(self, available: set[str]) -> None:
        for *_, keys, _ in self.losses:
            for key in keys:
                if key not in available:
                    raise ConfigError(
                        f"train.{self.binding} needs {key!r}, which neither the model nor the "
                        f"features provide (they provide {', '.join(sorted(available))}); choose another "
                        f"loss or set its 'keys', which are {keys} now."
                    )

    def check_means(self) -> None:
        """Raises ConfigError where the loss of a batch isn't the mean of those of its parts."""
        if self.combination_func == self.combine_by_multiply and len(self.losses) > 1:
            raise ConfigError(
                "train.accumulate_batches averages gradients, and train.loss_combination = "
                "'combine_by_multiply' gives a whole batch others: choose 'combine_by_sum', or bind "
                "train.accumulate_batches = 1."
            )
        sums = [
            name for module, *_, name in self.losses if getattr(module, "reduction", None) == "sum"
        ]
        if sums:
            raise ConfigError(
                f"train.accumulate_batches averages losses, and train.{self.binding}[{sums[0]!r}] is "
                "a sum over the batch: take out its reduction = 'sum', or bind "
                "train.accumulate_batches = 1."
            )

    @property
    def names(self) -> list[str]:
        return [name for *_, name in self.losses]

    @property
    def weights(self) -> dict[str, float]:
        """dict, name of loss → weight."""
        return {name: weight for _, weight, _, name in self.losses}

    @weights.setter
    def weights(self, weights: dict[str, float]) -> None:
        self.losses = [(module, weights[name], keys, name) for module, _, keys, name in self.losses]


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
        check_divergence(settings, settings.get("class", name), f"train.{binding}[{name!r}]")
        if settings.get("class", name) in INVARIANT and not names_a_loss(settings.get("args")):
            raise ConfigError(
                f"train.{binding}[{name!r}] needs the loss to make invariant, such as "
                "'args': ['L1Loss'] or 'args': [{'class': 'L1Loss'}]."
            )


def check_divergence(settings: dict, class_name: str, where: str) -> None:
    """Refuses KLDivLoss, alone or made invariant, of the estimates that it takes by default."""
    inner = inner_loss(settings.get("args")) if class_name in INVARIANT else None
    if "KLDivLoss" in (class_name, inner) and "keys" not in settings:
        raise ConfigError(
            f"{where} would take magnitudes for the log-probabilities that KLDivLoss needs, and fall "
            "without end as they grow: set its 'keys' to an output of logarithms, or take L1Loss."
        )


def with_keys_of_inner(dictionary: dict) -> dict:
    """The dictionary, in which the invariant losses without `keys` read what the one inside them reads."""
    return {
        name: {"keys": keys_of_inner(inner_loss(settings["args"])), **settings}
        if settings.get("class", name) in INVARIANT
        else settings
        for name, settings in dictionary.items()
    }


def keys_of_inner(name: str) -> dict[str, str]:
    """The inner loss's DEFAULT_KEYS, its first two arguments being estimates and targets.

    Raises:
        TypeError: a loss that doesn't compare two tensors, so that there is nothing to permute.
    """
    module = getattr(nussl.ml.train.loss, name)
    arguments = [one for one in inspect.signature(module.forward).parameters if one != "self"]
    key_of = {argument: key for key, argument in module.DEFAULT_KEYS.items()}
    if len(key_of) != 2:
        raise TypeError(f"{name} doesn't compare estimates with targets, one with one")
    return {key_of[arguments[0]]: "estimates", key_of[arguments[1]]: "targets"}


def names_a_loss(args: list | None) -> bool:
    return inner_loss(args) is not None


def inner_loss(args: list | None) -> str | None:
    """Class of the loss that is made invariant; None if `args` names none."""
    first = args[0] if isinstance(args, list) and args else None
    first = first.get("class") if isinstance(first, dict) else first
    return first if isinstance(first, str) else None
