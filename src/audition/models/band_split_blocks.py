"""Blocks of the band-split networks: into bands, along time and across bands, and masks out of bands.

Tensors are `(batch, frame, band, feature)` but where a block says otherwise.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import nn

from audition.models.rotary_attention import RMSNorm, Transformer
from audition.models.spectral_network import SpectralNetwork


class BandSplit(nn.Module):
    """Values of a frame `(batch, frame, value)` → bands.

    Args:
        widths: how many values each band has.
        num_features: of a band in what follows.
        norm: makes the normalisation of so many values.
    """

    def __init__(self, widths: Sequence[int], num_features: int, norm: Callable[[int], nn.Module]):
        super().__init__()
        self.widths = list(widths)
        self.bands = nn.ModuleList(
            nn.Sequential(norm(width), nn.Linear(width, num_features)) for width in widths
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.split(self.widths, dim=-1)
        return torch.stack([band(part) for band, part in zip(self.bands, parts, strict=True)], 2)


class MaskEstimator(nn.Module):
    """Bands → values of a frame `(batch, frame, value)`, each through a perceptron and a gate.

    Args:
        widths, num_features, norm: see BandSplit; `norm` comes before the perceptron.
        hidden_size, num_layers: of the perceptron's hidden layers.
    """

    def __init__(
        self,
        widths: Sequence[int],
        num_features: int,
        hidden_size: int,
        num_layers: int,
        norm: Callable[[int], nn.Module],
    ):
        super().__init__()
        sizes = [num_features, *[hidden_size] * num_layers]
        self.bands = nn.ModuleList()
        for width in widths:
            layers = []
            for size, following in pairwise(sizes):
                layers += [nn.Linear(size, following), nn.Tanh()]
            perceptron = nn.Sequential(*layers, nn.Linear(sizes[-1], 2 * width))
            self.bands.append(nn.Sequential(norm(num_features), perceptron, nn.GLU()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = x.unbind(dim=2)
        return torch.cat([band(part) for band, part in zip(self.bands, parts, strict=True)], -1)


class TimeThenBands(nn.Module):
    """A block along the frames of each band, then one across the bands of each frame.

    Both take and return sequences `(batch, place, feature)`.
    """

    def __init__(self, along_time: nn.Module, across_bands: nn.Module):
        super().__init__()
        self.along_time, self.across_bands = along_time, across_bands

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = each(self.along_time, x.transpose(1, 2)).transpose(1, 2)
        return each(self.across_bands, x)


def each(process: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Applies what takes sequences to `(batch, sequence, place, feature)`."""
    return process(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class ResidualRecurrent(nn.Module):
    """BSRNN's block on sequences: normalisation, bidirectional LSTM, linear layer, added to the input."""

    def __init__(self, num_features: int, hidden_size: int):
        super().__init__()
        self.norm = nn.GroupNorm(1, num_features)
        self.rnn = nn.LSTM(num_features, hidden_size, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * hidden_size, num_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return x + self.linear(self.rnn(normed)[0])


def recurrent_blocks(num_features: int, num_repeats: int, hidden_size: int) -> nn.Sequential:
    """BSRNN's blocks."""
    settings = num_features, hidden_size
    return nn.Sequential(
        *(
            TimeThenBands(ResidualRecurrent(*settings), ResidualRecurrent(*settings))
            for _ in range(num_repeats)
        )
    )


def roformer_blocks(
    num_features: int, num_repeats: int, num_layers: Sequence[int], norm_each: bool, **attention
) -> nn.Sequential:
    """The blocks of both RoFormers.

    Args:
        num_layers: of each transformer along time, and across bands.
        norm_each: True normalises after each transformer, False after the last.
        attention: see Transformer.
    """
    blocks = [
        TimeThenBands(
            *(Transformer(num_features, n, norm=norm_each, **attention) for n in num_layers)
        )
        for _ in range(num_repeats)
    ]
    return nn.Sequential(*blocks, nn.Identity() if norm_each else RMSNorm(num_features))


class BandSplitNetwork(SpectralNetwork):
    """Base class of the band-split networks: complex masks of the sources, band by band.

    Args:
        bands: the frequencies of each band; where bands overlap, masks are averaged.
        blocks: nn.Module on `(batch, frame, band, feature)`.
        num_features: of a band.
        num_sources: how many waveforms come out.
        signals: num_channels, window_length and hop_length, see SpectralNetwork.
        mask_layers: hidden_size and num_layers, see MaskEstimator.
        norms: of values before the split, and of features before the masks.
    """

    def __init__(
        self,
        bands: Sequence[Sequence[int]],
        blocks: nn.Module,
        num_features: int,
        num_sources: int,
        signals: tuple[int, int, int],
        mask_layers: tuple[int, int],
        norms: tuple[type[nn.Module], type[nn.Module]],
    ):
        super().__init__(*signals)
        frequencies = [frequency for band in bands for frequency in band]
        overlaps = [[count] for _, count in sorted(Counter(frequencies).items())]
        self.register_buffer("frequencies", torch.tensor(frequencies), persistent=False)
        self.register_buffer("overlaps", torch.tensor(overlaps), persistent=False)
        widths = [2 * self.num_channels * len(band) for band in bands]  # real and imaginary parts
        self.split = BandSplit(widths, num_features, norms[0])
        self.blocks = blocks
        self.masks = nn.ModuleList(
            MaskEstimator(widths, num_features, *mask_layers, norms[1]) for _ in range(num_sources)
        )

    def separate(self, spectra: torch.Tensor) -> torch.Tensor:
        frames = spectra.transpose(1, 3)[:, :, self.frequencies]
        bands = self.blocks(self.split(torch.view_as_real(frames).flatten(2)))
        values = torch.stack([estimate(bands) for estimate in self.masks], dim=1).float()
        masks = torch.view_as_complex(values.unflatten(-1, (-1, self.num_channels, 2)))
        summed = masks.new_zeros(*masks.shape[:3], len(self.overlaps), self.num_channels)
        masks = summed.index_add(3, self.frequencies, masks) / self.overlaps
        return masks.transpose(2, 4) * spectra.unsqueeze(1)
