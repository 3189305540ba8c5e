"""Any network of asteroid, to be trained here: Pariente et al., "Asteroid: the PyTorch-based audio
source separation toolkit for researchers", Interspeech 2020."""

from typing import Any

import torch
from torch import nn

from audition.errors import ConfigError
from audition.models.waveform import waveform_network
from audition.optional import imported

# of asteroid 0.7's, all but XUMX, which it refuses to build
NETWORKS = (
    *("ConvTasNet", "DCCRNet", "DCUNet", "DeMask", "DPRNNTasNet", "DPTNet", "FasNetTAC"),
    *("LSTMTasNet", "SuDORMRFImprovedNet", "SuDORMRFNet"),
)


@waveform_network
class AsteroidNetwork(nn.Module):
    """A network of asteroid by its name there; each channel is separated by itself.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    Args:
        name: of NETWORKS, such as 'LSTMTasNet'.
        arguments: what asteroid's class takes, such as `{'n_src': 2}`.

    Raises:
        ConfigError: asteroid is missing, has no such network, or does not take these arguments.
    """

    def __init__(self, name: str, arguments: dict[str, Any]):
        super().__init__()
        if name not in NETWORKS:
            raise ConfigError(
                f"AsteroidNetwork.name = {name!r} is none of {', '.join(NETWORKS)}; choose one."
            )
        network = getattr(imported("asteroid.models", "AsteroidNetwork"), name)
        try:
            self.network = network(**arguments)
        except TypeError as error:
            raise ConfigError(
                f"AsteroidNetwork.arguments = {arguments} don't build asteroid's {name} ({error}): "
                "see its documentation."
            ) from error

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        num_batch, num_channels, num_samples = mix.shape
        estimates = self.network(mix.reshape(-1, 1, num_samples))
        estimates = estimates.reshape(num_batch, num_channels, -1, num_samples)
        return estimates.transpose(1, 2)
