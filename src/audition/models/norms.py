"""Normalisations of `(batch, channel, …)` that networks name in their configs."""

import torch
from torch import nn

from audition.errors import ConfigError

EPS = 1e-8


class ChannelNorm(nn.Module):
    """cLN: over the channels, at each position by itself, so that it can be causal."""

    def __init__(self, num_channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the same shape as `x`, `(batch, channel, …)`."""
        last = x.transpose(1, -1)
        normed = nn.functional.layer_norm(last, last.shape[-1:], self.weight, self.bias, EPS)
        return normed.transpose(1, -1)


class CumulativeNorm(ChannelNorm):
    """cgLN: over the channels and all frames so far (Luo and Mesgarani 2019, eq. 13)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the same shape as `x`, `(batch, channel, frame)`."""
        count = x.shape[1] * torch.arange(1, x.shape[-1] + 1, device=x.device, dtype=x.dtype)
        mean = x.sum(1, keepdim=True).cumsum(-1) / count
        variance = x.square().sum(1, keepdim=True).cumsum(-1) / count - mean.square()
        normed = (x - mean) / (variance + EPS).sqrt()
        return normed * self.weight[:, None] + self.bias[:, None]


class FrameNorm(ChannelNorm):
    """fgLN: over the frames, each channel by itself; torch's InstanceNorm1d refuses a single frame."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of the same shape as `x`, `(batch, channel, frame)`."""
        variance, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        return (x - mean) / (variance + EPS).sqrt() * self.weight[:, None] + self.bias[:, None]


NORMS = {
    "gLN": lambda channels: nn.GroupNorm(1, channels, eps=EPS),
    "cLN": ChannelNorm,
    "cgLN": CumulativeNorm,
    "fgLN": FrameNorm,
    "BN": nn.BatchNorm1d,
}
CAUSAL = ("cLN", "cgLN", "BN")


def norm(name: str, num_channels: int) -> nn.Module:
    """A normalisation by its name in the papers.

    Args:
        name: "gLN" (over channels and time), "cLN" (over channels), "cgLN" (over channels and the
            time so far), "fgLN" (over time, each channel by itself), "BN" (over the batch and time).
    """
    if name not in NORMS:
        raise ConfigError(f"norm = {name!r} is none of {', '.join(NORMS)}; choose one.")
    return NORMS[name](num_channels)


def normed_bottleneck(name: str, num_filters: int, num_channels: int) -> nn.Module:
    """How maskers begin: frames `(batch, filter, frame)` normalised, then `(batch, channel, frame)`."""
    return nn.Sequential(norm(name, num_filters), nn.Conv1d(num_filters, num_channels, 1))


def check_causal(name: str) -> None:
    """Raises a ConfigError if a normalisation looks ahead."""
    if name not in CAUSAL:
        raise ConfigError(
            f"norm = {name!r} looks at the whole signal, so the network would not be causal: choose "
            f"one of {', '.join(CAUSAL)}, or bind causal = False."
        )
