"""Losses: nussl's, combined by a dictionary in the .gin file, and your own.

A loss dictionary maps a name to its settings:

    train.loss_dictionary = {
        'WhitenedKMeansLoss': {'weight': 1.0},
        'PermutationInvariantLoss': {'weight': 2.0, 'args': ['L1Loss']},
    }

Each entry may have `weight`, `class` (if the name is not the class), `keys` (which of the model's
outputs and features go to which argument: `{'mask': 'input', 'shares': 'target'}`), `args` and
`kwargs`. A weight of 0 reports the loss without training on it. docs/losses.md lists all losses; any
class decorated with `loss` is one, too.

PermutationInvariantLoss, CombinationInvariantLoss, SinkPITLoss and ReorderedLoss read what the loss
inside them reads (its arguments are then `estimates` and `targets`). They choose one permutation per
utterance (Kolbæk et al., TASLP 2017); nussl's own versions choose one per time-frequency bin.

KLDivLoss is torch's: it takes log-probabilities, and of magnitudes it falls the larger they are. It is
refused unless its `keys` say which output holds them:

    'KLDivLoss': {'keys': {'log_shares': 'input', 'shares': 'target'}}
"""

import math
from typing import Self

import torch
from nussl.ml.train.closures import Closure, ClosureException
from torch import nn

from audition.errors import ConfigError
from audition.losses.base import WaveformLoss, loss
from audition.losses.dictionary import check_dictionary, with_inner
from audition.losses.mixture_invariant import MixITLoss
from audition.losses.perceptual import PMSQELoss, STOILoss
from audition.losses.permutation import (
    CombinationInvariantLoss,
    PermutationInvariantLoss,
    ReorderedLoss,
)
from audition.losses.sinkhorn import SinkPITLoss
from audition.losses.spectral import MagnitudeMSELoss, MultiResolutionSTFTLoss, TimeFrequencyL1Loss
from audition.losses.waveform import L1Loss, LogMSELoss, MSELoss, SDSDRLoss, SISDRLoss, SNRLoss

__all__ = [
    "CombinationInvariantLoss",
    "L1Loss",
    "LogMSELoss",
    "Losses",
    "MSELoss",
    "MagnitudeMSELoss",
    "MixITLoss",
    "MultiResolutionSTFTLoss",
    "PMSQELoss",
    "PermutationInvariantLoss",
    "ReorderedLoss",
    "SDSDRLoss",
    "SISDRLoss",
    "SNRLoss",
    "STOILoss",
    "SinkPITLoss",
    "TimeFrequencyL1Loss",
    "WaveformLoss",
    "loss",
]
COMBINATIONS = ("combine_by_sum", "combine_by_multiply")


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
            super().__init__(with_inner(loss_dictionary), combination)
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
        kept = [
            name
            for module, *_, name in self.losses
            if getattr(module, "threshold", None) is not None
        ]
        if kept:
            raise ConfigError(
                f"train.accumulate_batches averages losses, and train.{self.binding}[{kept[0]!r}] "
                "leaves out utterances below its threshold: take out the threshold, or bind "
                "train.accumulate_batches = 1."
            )

    def to(self, device: torch.device) -> Self:
        """Moves windows and the like there."""
        for module in self.modules:
            module.to(device)
        return self

    def eval(self) -> Self:
        """From now on, losses that have an easier form to train on are what they stand for."""
        for module in self.modules:
            module.eval()
        return self

    def state_dict(self) -> dict[str, dict]:
        """Name of loss → its buffers, such as a temperature."""
        return dict(zip(self.names, (one.state_dict() for one in self.modules), strict=True))

    def load_state_dict(self, states: dict[str, dict]) -> None:
        for module, *_, name in self.losses:
            if name in states:
                module.load_state_dict(states[name])

    @property
    def modules(self) -> list[nn.Module]:
        return [module for module, *_ in self.losses]

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
