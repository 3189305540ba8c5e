"""SuDoRM-RF: masks from U-shaped blocks of convolutions at ever coarser resolutions, and their sum.

Tzinis, Wang and Smaragdis, "Sudo rm -rf: Efficient networks for universal audio source separation",
MLSP 2020. The improved form: Tzinis, Wang, Jiang and Smaragdis, "Compute and memory efficient
universal sound source separation", Journal of Signal Processing Systems 2022.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from audition.models import norms
from audition.models.filterbanks import filterbank
from audition.models.masking import MaskingNetwork, activation
from audition.models.waveform import waveform_network


def global_norm(num_channels: int) -> nn.Module:
    return norms.norm("gLN", num_channels)


class UBlock(nn.Module):
    """Frames at `depth` resolutions, each half of the one before, added up from the coarsest on.

    Forward takes and returns `(batch, channel, frame)`.
    """

    def __init__(self, channels: int, hidden_channels: int, depth: int, improved: bool):
        super().__init__()
        self.expand = nn.Sequential(
            nn.Conv1d(channels, hidden_channels, 1),
            global_norm(hidden_channels),
            nn.PReLU(1 if improved else hidden_channels),
        )
        self.resolutions = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(
                    hidden_channels, hidden_channels, 5, stride, padding=2, groups=hidden_channels
                ),
                global_norm(hidden_channels),
            )
            for stride in [1] + [2] * (depth - 1)
        )
        self.contract = nn.Sequential(
            global_norm(hidden_channels),
            nn.PReLU(hidden_channels),
            nn.Conv1d(hidden_channels, channels, 1),
        )
        self.contract_norm = nn.Identity() if improved else global_norm(channels)
        last = [] if improved else [global_norm(channels), nn.PReLU(channels)]
        self.last = nn.Sequential(*last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        levels, level = [], self.expand(x)
        for resolution in self.resolutions:
            level = resolution(level)
            levels.append(level)
        for finer in reversed(levels[:-1]):
            doubled = functional.interpolate(level, scale_factor=2)
            level = finer + doubled[..., : finer.shape[-1]]
        return self.last(self.contract_norm(self.contract(level)) + x)


class MaskConvolution(nn.Module):
    """The first form's masks: from one score per filter, by a convolution along the filters."""

    def __init__(self, channels: int, num_filters: int, num_sources: int):
        super().__init__()
        same = channels == num_filters
        self.scores = nn.Identity() if same else nn.Conv1d(channels, num_filters, 1)
        padding = (num_filters - num_filters // 2, 0)
        self.masks = nn.Conv2d(1, num_sources, (num_filters + 1, 1), padding=padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores `(batch, source, filter, frame)` of `(batch, channel, frame)`."""
        scores = self.scores(x)
        return self.masks(scores.unsqueeze(1))[:, :, : scores.shape[1]]


class UMasker(nn.Module):
    """Frames `(batch, filter, frame)` to masks `(batch, source, filter, frame)`."""

    def __init__(
        self,
        num_filters: int,
        num_sources: int,
        bottleneck_channels: int,
        num_blocks: int,
        depth: int,
        improved: bool,
    ):
        super().__init__()
        channels = bottleneck_channels
        self.bottleneck = norms.normed_bottleneck("gLN", num_filters, channels)
        blocks = [UBlock(channels, num_filters, depth, improved) for _ in range(num_blocks)]
        self.blocks = nn.Sequential(*blocks)
        if improved:
            self.masks = nn.Sequential(
                nn.PReLU(),
                nn.Conv1d(channels, num_sources * num_filters, 1),
                nn.Unflatten(1, (num_sources, num_filters)),
            )
        else:
            self.masks = MaskConvolution(channels, num_filters, num_sources)
        self.activation = activation("relu" if improved else "softmax")

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.activation(self.masks(self.blocks(self.bottleneck(frames))))


@waveform_network
class SuDoRMRF(MaskingNetwork):
    """SuDoRM-RF, 2.58 M parameters at its defaults, which are those of the paper's 1.0x.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`. In the improved form (2.63 M) blocks are plainer, each source
    has masks of its own straight from them, rectified, and the encoder's output is taken as it is; in
    the first that is rectified, and masks are a softmax over the sources.

    Args:
        num_sources: how many waveforms come out.
        num_filters, kernel_size: of the encoder, the second in samples; windows overlap by half.
        bottleneck_channels: of the blocks, whose inner layers have as many as there are filters.
        num_blocks: of the masker; 8 make the paper's 0.5x, 4 its 0.25x.
        depth: resolutions of a block.
        improved: True makes the improved form.
        filters, sample_rate: see `filterbanks.filterbank`.
    """

    def __init__(
        self,
        num_sources: int = 2,
        num_filters: int = 512,
        kernel_size: int = 21,
        bottleneck_channels: int = 128,
        num_blocks: int = 16,
        depth: int = 4,
        improved: bool = False,
        filters: str = "free",
        sample_rate: int = 8000,
    ):
        bank = filterbank(filters, num_filters, kernel_size, kernel_size // 2, sample_rate)
        masker = UMasker(
            bank.num_filters, num_sources, bottleneck_channels, num_blocks, depth, improved
        )
        super().__init__(bank, masker, "linear" if improved else "relu")
        self.multiple = math.lcm(bank.stride, 2**depth)

    def padding(self, num_samples: int) -> tuple[int, int]:
        """Half a window on either side, after zeros up to what all resolutions divide."""
        half = self.filters.stride
        return half, half + -num_samples % self.multiple
