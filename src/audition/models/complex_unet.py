"""U-Nets of complex layers: encoders that halve a spectrum, and decoders that undo them."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import prod
from typing import NamedTuple

import torch
from torch import nn

from audition.models.complex_blocks import ComplexBlock, ComplexLayer

Size = tuple[int, int]  # along frequency, along time


class Architecture(NamedTuple):
    """Layers of a U-Net.

    Attributes:
        channels: that each encoder returns.
        kernels, strides: of each encoder and of the decoder that undoes it.
        decoder_channels: that each decoder but the last returns.
    """

    channels: list[int]
    kernels: list[Size]
    strides: list[Size]
    decoder_channels: list[int]

    def steps(self) -> Size:
        """Of how many frequencies and frames one is left after all encoders."""
        along_frequency, along_time = zip(*self.strides, strict=True)
        return prod(along_frequency), prod(along_time)


def mirrored(channels: list[int], kernels: list[Size], strides: list[Size]) -> Architecture:
    """One whose decoders return what the encoders got."""
    return Architecture(channels, kernels, strides, channels[-2::-1])


class ComplexUNet(nn.Module):
    """Encoders, what is between, and decoders that also get the output of the encoder they undo.

    Forward takes complex `(batch, channel, frequency, time)` and returns as many frequencies and
    frames, if the encoders and decoders together keep them.

    Args:
        encoders, decoders: as many of one as of the other.
        between: nn.Module on the output of the last encoder, which the first decoder gets as well;
            None gives it that output alone.
    """

    def __init__(
        self, encoders: list[nn.Module], decoders: list[nn.Module], between: nn.Module | None
    ):
        super().__init__()
        self.encoders, self.decoders = nn.ModuleList(encoders), nn.ModuleList(decoders)
        self.between = between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = []
        for encoder in self.encoders:
            x = encoder(x)
            outputs.append(x)
        if self.between is None:
            outputs.pop()
        else:
            x = torch.cat([self.between(x), outputs.pop()], dim=1)
        for decoder in self.decoders[:-1]:
            x = torch.cat([decoder(x), outputs.pop()], dim=1)
        return self.decoders[-1](x)


def complex_unet(
    architecture: Architecture,
    num_sources: int,
    make_activation: Callable[[], nn.Module],
    output_padding: Size = (0, 0),
    between: nn.Module | None = None,
) -> ComplexUNet:
    """A U-Net from complex `(batch, 1, frequency, time)` to `(batch, source, frequency, time)`."""
    channels, kernels, strides, decoder_channels = architecture
    paddings = [tuple((size - 1) // 2 for size in kernel) for kernel in kernels]
    shapes = list(zip(kernels, strides, paddings, strict=True))
    encoders = [
        ComplexBlock(partial(nn.Conv2d, *sizes, *shape), sizes[1], make_activation)
        for sizes, shape in zip(pairwise([1, *channels]), shapes, strict=True)
    ]
    below = [channels[-1], *decoder_channels]
    skipped = [0 if between is None else channels[-1], *channels[-2::-1]]
    above = [*decoder_channels, num_sources]
    *convolutions, last = [
        partial(nn.ConvTranspose2d, one + other, size, *shape, output_padding)
        for one, other, size, shape in zip(below, skipped, above, shapes[::-1], strict=True)
    ]
    decoders = [
        ComplexBlock(convolution, size, make_activation)
        for convolution, size in zip(convolutions, decoder_channels, strict=True)
    ]
    return ComplexUNet(encoders, [*decoders, ComplexLayer(last)], between)
