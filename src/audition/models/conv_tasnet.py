"""Conv-TasNet and its successor TDCN++: masks from a stack of dilated convolutions.

Luo and Mesgarani, "Conv-TasNet: Surpassing ideal time-frequency magnitude masking for speech
separation", IEEE/ACM TASLP 2019. TDCN++: Kavalerov et al., "Universal sound separation", WASPAA 2019.
"""

import torch
from torch import nn

from audition.models import norms
from audition.models.filterbanks import filterbank
from audition.models.masking import MaskingNetwork, activation
from audition.models.waveform import waveform_network


class DilatedBlock(nn.Module):
    """A depthwise separable convolution with a residual output and, if asked for, one that skips.

    Forward takes `(batch, channel, frame)` and returns two such tensors, residual and skip; the
    second is None if `skip_channels` is 0.
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int,
        skip_channels: int,
        kernel_size: int,
        dilation: int,
        norm_name: str,
        causal: bool,
    ):
        super().__init__()
        reach = (kernel_size - 1) * dilation
        self.padding = (reach, 0) if causal else (reach // 2, reach - reach // 2)
        self.expand = nn.Sequential(
            nn.Conv1d(channels, hidden_channels, 1),
            nn.PReLU(),
            norms.norm(norm_name, hidden_channels),
        )
        self.depthwise = nn.Conv1d(
            hidden_channels, hidden_channels, kernel_size, dilation=dilation, groups=hidden_channels
        )
        self.shape = nn.Sequential(nn.PReLU(), norms.norm(norm_name, hidden_channels))
        self.residual = nn.Conv1d(hidden_channels, channels, 1)
        self.skip = nn.Conv1d(hidden_channels, skip_channels, 1) if skip_channels else None

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        hidden = nn.functional.pad(self.expand(x), self.padding)
        hidden = self.shape(self.depthwise(hidden))
        return self.residual(hidden), None if self.skip is None else self.skip(hidden)


class TemporalConvolutions(nn.Module):
    """The masker: repeats of blocks whose dilation doubles from one to the next.

    Forward takes frames `(batch, filter, frame)` and returns masks `(batch, source, filter, frame)`.
    """

    def __init__(
        self,
        num_filters: int,
        num_sources: int,
        num_blocks: int,
        num_repeats: int,
        bottleneck_channels: int,
        hidden_channels: int,
        skip_channels: int,
        conv_kernel_size: int,
        norm_name: str,
        mask_activation: str,
        causal: bool = False,
    ):
        super().__init__()
        self.num_sources, self.num_blocks = num_sources, num_blocks
        self.bottleneck = norms.normed_bottleneck(norm_name, num_filters, bottleneck_channels)
        self.blocks = nn.ModuleList(
            DilatedBlock(
                bottleneck_channels,
                hidden_channels,
                skip_channels,
                conv_kernel_size,
                2**block,
                norm_name,
                causal,
            )
            for _ in range(num_repeats)
            for block in range(num_blocks)
        )
        last_channels = skip_channels or bottleneck_channels
        self.masks = nn.Sequential(
            nn.PReLU(), nn.Conv1d(last_channels, num_sources * num_filters, 1)
        )
        self.activation = activation(mask_activation)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x, skips, before = self.bottleneck(frames), 0.0, None
        for number, block in enumerate(self.blocks):
            repeat, place = divmod(number, self.num_blocks)
            if place == 0:
                x = before = self.repeat_input(x, before, repeat)
            residual, skip = block(x)
            x = x + self.scaled(residual, repeat, place)
            skips = skips if skip is None else skips + skip
        masks = self.masks(x if skip is None else skips)
        return self.activation(masks.unflatten(1, (self.num_sources, -1)))

    def repeat_input(
        self, x: torch.Tensor, before: torch.Tensor | None, repeat: int
    ) -> torch.Tensor:
        """What a repeat gets, of the output of the one before it and the input `before` of that."""
        return x

    def scaled(self, residual: torch.Tensor, repeat: int, place: int) -> torch.Tensor:
        """The residual of a block, by its repeat and its place in it."""
        return residual


class TemporalConvolutionsPlusPlus(TemporalConvolutions):
    """The masker of TDCN++: each repeat also hears the inputs of those before, through a dense layer,
    and residuals have a learned scale that begins at 0.9 to the power of the block's number."""

    def __init__(
        self, *args, num_blocks: int, num_repeats: int, bottleneck_channels: int, **kwargs
    ):
        super().__init__(
            *args,
            num_blocks=num_blocks,
            num_repeats=num_repeats,
            bottleneck_channels=bottleneck_channels,
            **kwargs,
        )
        self.dense = nn.ModuleList(
            nn.Conv1d(bottleneck_channels, bottleneck_channels, 1) for _ in range(num_repeats - 1)
        )
        scales = 0.9 ** torch.arange(1.0, num_blocks)
        self.scales = nn.Parameter(scales.repeat(num_repeats, 1))

    def repeat_input(
        self, x: torch.Tensor, before: torch.Tensor | None, repeat: int
    ) -> torch.Tensor:
        return x if repeat == 0 else self.dense[repeat - 1](before) + x

    def scaled(self, residual: torch.Tensor, repeat: int, place: int) -> torch.Tensor:
        return residual if place == 0 else residual * self.scales[repeat, place - 1]


@waveform_network
class ConvTasNet(MaskingNetwork):
    """Conv-TasNet, 5.05 M parameters at its defaults, which are those of the paper's best network.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    Args:
        num_sources: how many waveforms come out.
        num_filters, kernel_size, stride: of the encoder, the last two in samples (N, L, L/2).
        num_blocks, num_repeats: of the masker (X, R).
        bottleneck_channels, hidden_channels, skip_channels: of its convolutions (B, H, Sc); without
            skip_channels, as in the paper's first version, masks come from the last residual.
        conv_kernel_size: of the dilated convolutions, in frames (P).
        norm: "gLN", "cLN", "cgLN" or "BN", see `norms.norm`.
        mask_activation, encoder_activation: keys of `masking.ACTIVATIONS`.
        causal: True never looks ahead, but for the encoder's window; `norm` must not either.
        filters: the filterbank, see `filterbanks.filterbank`.
        sample_rate: of the signals in Hz, for filterbanks that depend on it.
        plus_plus: True makes TDCN++, whose norm is "fgLN"; it is not causal.
    """

    def __init__(
        self,
        num_sources: int = 2,
        num_filters: int = 512,
        kernel_size: int = 16,
        stride: int = 8,
        num_blocks: int = 8,
        num_repeats: int = 3,
        bottleneck_channels: int = 128,
        hidden_channels: int = 512,
        skip_channels: int = 128,
        conv_kernel_size: int = 3,
        norm: str = "gLN",
        mask_activation: str = "sigmoid",
        encoder_activation: str = "linear",
        causal: bool = False,
        filters: str = "free",
        sample_rate: int = 8000,
        plus_plus: bool = False,
    ):
        if causal:
            norms.check_causal(norm)
        bank = filterbank(filters, num_filters, kernel_size, stride, sample_rate)
        kind = TemporalConvolutionsPlusPlus if plus_plus else TemporalConvolutions
        masker = kind(
            bank.num_filters,
            num_sources,
            num_blocks=num_blocks,
            num_repeats=num_repeats,
            bottleneck_channels=bottleneck_channels,
            hidden_channels=hidden_channels,
            skip_channels=skip_channels,
            conv_kernel_size=conv_kernel_size,
            norm_name=norm,
            mask_activation=mask_activation,
            causal=causal,
        )
        super().__init__(bank, masker, encoder_activation)
