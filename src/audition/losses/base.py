"""What a loss is, and one of waveforms: every estimate is compared with its source, or with each."""

import gin
import nussl
import torch
from torch import nn

from audition.errors import ConfigError


def loss(module: type[nn.Module]) -> type[nn.Module]:
    """Class decorator that makes an `nn.Module` available to loss dictionaries.

    The class needs `DEFAULT_KEYS`, a dict from keys of the batch to names of `forward`'s arguments.
    """
    nussl.ml.register_loss(module)
    return gin.register(module)


class WaveformLoss(nn.Module):
    """A loss of estimated waveforms, the mean over the batch and its sources.

    A subclass has a `compare`. It serves both forms, as one estimate beside each source and every
    estimate beside every source differ in their shapes only.
    """

    DEFAULT_KEYS = {"audio": "estimates", "source_audio": "targets"}

    def forward(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Scalar of two tensors `(batch, channel, sample, source)`, or without the channel."""
        check_shapes(estimates, targets)
        return self.compare(source_first(estimates), source_first(targets)).mean()

    def pairwise(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Losses `(batch, estimate, source)` of each estimate with each source."""
        estimates, targets = source_first(estimates), source_first(targets)
        return self.compare(estimates.unsqueeze(2), targets.unsqueeze(1))

    def compare(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Losses `(...)` of two tensors `(..., channel, sample)` that broadcast."""
        raise NotImplementedError(f"{type(self).__name__} has no compare method.")


def check_shapes(estimates: torch.Tensor, targets: torch.Tensor) -> None:
    """Raises a ConfigError if they differ but in the batch and in the number of sources, as channels
    would broadcast."""
    shapes = [tuple(one.shape[1:-1]) for one in (estimates, targets)]
    if shapes[0] != shapes[1]:
        raise ConfigError(
            f"train.loss_dictionary compares estimates of the shape {shapes[0]} with sources of the "
            f"shape {shapes[1]}: choose a network that keeps the mixture's channels and length, or "
            "bind WaveformFeatures.reference_channel to the one that it estimates."
        )


def source_first(waveforms: torch.Tensor) -> torch.Tensor:
    """`(batch, channel, sample, source)`, or without the channel → `(batch, source, channel, sample)`."""
    if waveforms.ndim == 3:
        waveforms = waveforms.unsqueeze(1)
    return waveforms.movedim(-1, 1)
