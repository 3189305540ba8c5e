"""SepFormer: the dual-path frame with transformers for processors.

Subakan et al., "Attention is all you need in speech separation", ICASSP 2021.
"""

import math

import torch
from torch import nn

from audition.models import norms
from audition.models.chunks import DualPathMasker, PairedChunks
from audition.models.dual_path_blocks import NormedBlock, check_heads
from audition.models.filterbanks import filterbank
from audition.models.masking import MaskingNetwork
from audition.models.waveform import waveform_network


class TransformerPath(nn.Module):
    """Transformer layers that normalise before they attend, `(batch, frame, channel)` to the same."""

    def __init__(
        self,
        channels: int,
        num_heads: int,
        feed_forward_size: int,
        num_layers: int,
        dropout: float,
    ):
        super().__init__()
        eps = 1e-6
        layers = [
            nn.TransformerEncoderLayer(
                channels,
                num_heads,
                feed_forward_size,
                dropout,
                layer_norm_eps=eps,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(num_layers)
        ]
        self.layers = nn.Sequential(*layers, nn.LayerNorm(channels, eps))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x + positions(*x.shape[1:], device=x.device).to(x.dtype))


def positions(num_frames: int, channels: int, device: torch.device) -> torch.Tensor:
    """Sines and cosines in turn, `(frame, channel)` (Vaswani et al. 2017, section 3.5)."""
    rates = torch.exp(torch.arange(0, channels, 2, device=device) * (-math.log(1e4) / channels))
    angles = torch.arange(num_frames, device=device).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :channels]


@waveform_network
class SepFormer(MaskingNetwork):
    """SepFormer as SpeechBrain trains it on WSJ0-2mix, 25.7 M parameters at its defaults.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`. Where the paper has two feed-forward layers before the masks,
    the published network has DPRNN's gate; its norms are over channels and time, not channels alone.

    Args:
        num_sources: how many waveforms come out.
        num_filters, kernel_size, stride: of the encoder, the last two in samples.
        bottleneck_channels: of the blocks, a multiple of `num_heads`.
        num_heads, feed_forward_size: of each transformer layer.
        num_layers: of each transformer, within chunks and across them.
        num_repeats: of the blocks.
        chunk_size: in frames; chunks overlap by half.
        norm: after each transformer, see `norms.norm`.
        dropout: in the transformer layers, 0 to 1.
        mask_activation, encoder_activation: keys of `masking.ACTIVATIONS`.
        filters, sample_rate: see `filterbanks.filterbank`.
    """

    def __init__(
        self,
        num_sources: int = 2,
        num_filters: int = 256,
        kernel_size: int = 16,
        stride: int = 8,
        bottleneck_channels: int = 256,
        num_heads: int = 8,
        feed_forward_size: int = 1024,
        num_layers: int = 8,
        num_repeats: int = 2,
        chunk_size: int = 250,
        norm: str = "gLN",
        dropout: float = 0.0,
        mask_activation: str = "relu",
        encoder_activation: str = "relu",
        filters: str = "free",
        sample_rate: int = 8000,
    ):
        bank = filterbank(filters, num_filters, kernel_size, stride, sample_rate)
        channels = bottleneck_channels
        check_heads("bottleneck_channels", channels, num_heads)

        def path():
            return TransformerPath(channels, num_heads, feed_forward_size, num_layers, dropout)

        masker = DualPathMasker(
            nn.Sequential(
                norms.norm(norm, bank.num_filters),
                nn.Conv1d(bank.num_filters, channels, 1, bias=False),
            ),
            [NormedBlock(path(), path(), channels, norm) for _ in range(num_repeats)],
            PairedChunks(chunk_size),
            channels,
            num_sources,
            nn.Conv1d(channels, bank.num_filters, 1, bias=False),
            mask_activation,
        )
        super().__init__(bank, masker, encoder_activation)
