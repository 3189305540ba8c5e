"""Encoder, masks, decoder: the frame of the networks that separate waveforms by masks.

Luo and Mesgarani, "TasNet: Time-domain audio separation network for real-time, single-channel speech
separation" (ICASSP 2018), and all that came after it: an encoder turns a waveform into frames of
filters, a masker estimates a mask per source, and a decoder turns the masked frames into waveforms.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from audition.models.filterbanks import Filterbank

ACTIVATIONS = {
    "linear": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(dim=1),  # over the sources
}


class MaskingNetwork(nn.Module):
    """Separates waveforms by masks; the channels of a signal are separated each by itself.

    Any length goes in, shorter than a window, too, and the same length comes out.

    Args:
        filters: the encoder and its decoder.
        masker: nn.Module from `(batch, filter, frame)` to masks `(batch, source, filter, frame)`.
        encoder_activation: what is applied to the encoded frames; a key of ACTIVATIONS, "linear" for
            complex ones.
    """

    def __init__(self, filters: Filterbank, masker: nn.Module, encoder_activation: str = "linear"):
        super().__init__()
        self.filters = filters
        self.activation = activation(encoder_activation)
        self.masker = masker

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Estimates `(batch, source, channel, sample)` of mixtures `(batch, channel, sample)`."""
        num_batch, num_channels, num_samples = mix.shape
        before, after = self.padding(num_samples)
        padded = functional.pad(mix.reshape(-1, 1, num_samples), (before, after))
        frames = self.activation(self.filters.encode(padded))
        masked = self.masker(self.filters.heard(frames)) * frames.unsqueeze(1)
        num_sources = masked.shape[1]
        estimates = self.filters.decode(masked.flatten(0, 1))[..., before : before + num_samples]
        estimates = estimates.reshape(num_batch, num_channels, num_sources, num_samples)
        return estimates.transpose(1, 2)

    def padding(self, num_samples: int) -> tuple[int, int]:
        """How many zeros before and after a mixture make its last window whole."""
        window, hop = self.filters.kernel_size, self.filters.stride
        num_frames = 1 + max(0, math.ceil((num_samples - window) / hop))
        return 0, window + (num_frames - 1) * hop - num_samples


def activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise ValueError(f"{name!r} is no activation; choose from {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]()
