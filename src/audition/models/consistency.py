"""Estimates that add up to the mixture.

Wisdom et al., "Differentiable consistency constraints for improved deep speech enhancement", ICASSP 2019.
"""

from typing import Any

import torch
from torch import nn

from audition.errors import ConfigError
from audition.models.waveform import built, waveform_network

WEIGHTINGS = ("unit", "power")
EPSILON = 1e-8


class MixtureConsistency(nn.Module):
    """Shares out among the estimates what their sum lacks of the mixture.

    Args:
        weighting: "unit": in equal parts; "power": by each estimate's share of the energy.
    """

    def __init__(self, weighting: str = "unit"):
        super().__init__()
        if weighting not in WEIGHTINGS:
            raise ConfigError(
                f"weighting = {weighting!r} of the mixture consistency must be one of "
                f"{', '.join(WEIGHTINGS)}."
            )
        self.weighting = weighting

    def forward(self, estimates: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
        """Consistent estimates.

        Args:
            estimates: `(batch, source, channel, sample)`.
            mix: `(batch, channel, sample)`.
        """
        rest = mix.unsqueeze(1) - estimates.sum(dim=1, keepdim=True)
        return estimates + self.weights(estimates) * rest

    def weights(self, estimates: torch.Tensor) -> torch.Tensor | float:
        """Of which the sources' sum is 1."""
        if self.weighting == "unit":
            return 1 / estimates.shape[1]
        powers = estimates.square().mean(dim=(2, 3), keepdim=True)
        return powers / (powers.sum(dim=1, keepdim=True) + EPSILON)


@waveform_network
class MixtureConsistent(nn.Module):
    """A network from waveforms to waveforms whose estimates are made consistent with the mixture.

        train.model = @MixtureConsistent()
        MixtureConsistent.network = @ConvTasNet()

    Args:
        network: any such network, or the dict that describes it in a model file.
        weighting: see MixtureConsistency.
    """

    def __init__(self, network: nn.Module | dict[str, Any], weighting: str = "unit"):
        super().__init__()
        self.network = built(network) if isinstance(network, dict) else network
        self.consistency = MixtureConsistency(weighting)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Estimates `(batch, source, channel, sample)` of mixtures `(batch, channel, sample)`."""
        return self.consistency(self.network(mix), mix)
