"""Dual-path networks: long sequences cut into chunks, processed within chunks and across them in turn.

One frame, several processors: DPRNN (Luo, Chen and Yoshioka, ICASSP 2020) and DPTNet (Chen, Mao and
Liu, Interspeech 2020).
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from audition.models import norms
from audition.models.filterbanks import filterbank
from audition.models.masking import MaskingNetwork, activation
from audition.models.waveform import waveform_network


class Chunks(nn.Module):
    """Cuts frames into overlapping chunks, and adds chunks up again.

    Args:
        chunk_size: frames in a chunk (K).
        hop_size: between their starts; None is half a chunk (P).
    """

    def __init__(self, chunk_size: int, hop_size: int | None = None):
        super().__init__()
        self.window = {
            "kernel_size": (chunk_size, 1),
            "padding": (chunk_size, 0),
            "stride": (hop_size or chunk_size // 2, 1),
        }
        self.chunk_size = chunk_size

    def cut(self, x: torch.Tensor) -> torch.Tensor:
        """`(batch, channel, chunk_size, chunk)` of `(batch, channel, frame)`."""
        chunks = functional.unfold(x.unsqueeze(-1), **self.window)
        return chunks.unflatten(1, (-1, self.chunk_size))

    def add(self, chunks: torch.Tensor, num_frames: int) -> torch.Tensor:
        """`(batch, channel, frame)` of `(batch, channel, chunk_size, chunk)`; overlaps are summed."""
        return functional.fold(chunks.flatten(1, 2), (num_frames, 1), **self.window).squeeze(-1)


def within_chunks(process: Callable, x: torch.Tensor) -> torch.Tensor:
    """Applies what takes `(batch, frame, channel)` to each chunk of `(batch, channel, frame, chunk)`."""
    sequences = x.permute(0, 3, 2, 1)
    out = process(sequences.flatten(0, 1)).unflatten(0, sequences.shape[:2])
    return out.permute(0, 3, 2, 1)


def across_chunks(process: Callable, x: torch.Tensor) -> torch.Tensor:
    """The same along the chunks, for each place in a chunk."""
    sequences = x.permute(0, 2, 3, 1)
    out = process(sequences.flatten(0, 1)).unflatten(0, sequences.shape[:2])
    return out.permute(0, 3, 1, 2)


class RecurrentPath(nn.Module):
    """A recurrent layer and a linear one, `(batch, frame, channel)` to the same."""

    def __init__(
        self,
        channels: int,
        hidden_size: int,
        bidirectional: bool,
        num_layers: int,
        dropout: float,
        rnn_type: str,
    ):
        super().__init__()
        self.rnn = getattr(nn, rnn_type)(
            channels,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=bidirectional,
        )
        self.linear = nn.Linear((1 + bidirectional) * hidden_size, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.rnn(x)[0])


class RecurrentBlock(nn.Module):
    """DPRNN's block: a path within chunks, one across them, each normalised and added to its input."""

    def __init__(
        self, channels: int, norm_name: str, bidirectional: bool, hidden_size: int, **recurrent
    ):
        super().__init__()
        self.within = RecurrentPath(channels, hidden_size, bidirectional=True, **recurrent)
        self.within_norm = norms.norm(norm_name, channels)
        self.across = RecurrentPath(channels, hidden_size, bidirectional, **recurrent)
        self.across_norm = norms.norm(norm_name, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.within_norm(within_chunks(self.within, x))
        return x + self.across_norm(across_chunks(self.across, x))


class AttentionPath(nn.Module):
    """DPTNet's layer: self-attention, then an LSTM in place of a transformer's feed-forward network.

    Forward takes and returns `(batch, frame, channel)`; both parts are added to their input, and
    normalised after that.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        hidden_size: int,
        dropout: float,
        norm_name: str,
        bidirectional: bool,
    ):
        super().__init__()
        self.attention = nn.MultiheadAttention(
            channels, num_heads, dropout=dropout, batch_first=True
        )
        self.attention_norm = norms.norm(norm_name, channels)
        self.rnn = nn.LSTM(channels, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.linear = nn.Linear((1 + bidirectional) * hidden_size, channels)
        self.linear_norm = norms.norm(norm_name, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        attended = self.attention(x, x, x, need_weights=False)[0]
        x = normed(self.attention_norm, x + self.dropout(attended))
        hidden = self.dropout(self.rnn(x)[0].relu())
        return normed(self.linear_norm, x + self.dropout(self.linear(hidden)))


def normed(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A norm of `(batch, channel, frame)` on `(batch, frame, channel)`."""
    return layer(x.transpose(1, 2)).transpose(1, 2)


class AttentionBlock(nn.Module):
    """DPTNet's block: a layer within chunks, then one across them."""

    def __init__(self, channels: int, bidirectional: bool, **settings):
        super().__init__()
        self.within = AttentionPath(channels, bidirectional=True, **settings)
        self.across = AttentionPath(channels, bidirectional=bidirectional, **settings)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return across_chunks(self.across, within_chunks(self.within, x))


class DualPathMasker(nn.Module):
    """Frames `(batch, filter, frame)` to masks `(batch, source, filter, frame)`.

    Args:
        entry: nn.Module from the frames to `(batch, channel, frame)`.
        blocks: nn.Modules on `(batch, channel, chunk_size, chunk)`.
        chunks: how the frames are cut.
        channels: of the blocks.
        num_sources: how many masks.
        exit: nn.Module from gated `(batch, channel, frame)` to scores of the filters.
        mean_of_overlaps: True divides what overlapping chunks add up to by their number.
    """

    def __init__(
        self,
        entry: nn.Module,
        blocks: list[nn.Module],
        chunks: Chunks,
        channels: int,
        num_sources: int,
        exit: nn.Module,
        mask_activation: str,
        mean_of_overlaps: bool = False,
    ):
        super().__init__()
        self.entry, self.blocks, self.chunks = entry, nn.Sequential(*blocks), chunks
        self.num_sources = num_sources
        self.per_source = nn.Sequential(nn.PReLU(), nn.Conv2d(channels, num_sources * channels, 1))
        self.value = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.Tanh())
        self.gate = nn.Sequential(nn.Conv1d(channels, channels, 1), nn.Sigmoid())
        self.exit = exit
        self.activation = activation(mask_activation)
        size, hop = chunks.window["kernel_size"][0], chunks.window["stride"][0]
        self.overlap = size / hop if mean_of_overlaps else 1.0

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x = self.per_source(self.blocks(self.chunks.cut(self.entry(frames))))
        x = x.unflatten(1, (self.num_sources, -1)).flatten(0, 1)
        x = self.chunks.add(x, frames.shape[-1]) / self.overlap
        scores = self.exit(self.value(x) * self.gate(x))
        return self.activation(scores.unflatten(0, (-1, self.num_sources)))


@waveform_network
class DPRNNTasNet(MaskingNetwork):
    """Dual-path RNN, 3.65 M parameters at its defaults for two sources.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    Args:
        num_sources: how many waveforms come out.
        num_filters, kernel_size, stride: of the encoder, the last two in samples. The paper's best
            network has a kernel of 2 and a stride of 1, with chunks of 250 frames.
        bottleneck_channels: of the blocks.
        hidden_size, num_layers, rnn_type: of each of their recurrent layers; "LSTM", "GRU" or "RNN".
        num_repeats: of the blocks.
        chunk_size, hop_size: in frames; None is half a chunk.
        norm: "gLN" or "cLN", see `norms.norm`.
        bidirectional: across chunks; within chunks they always are.
        dropout: between several layers of one recurrent network.
        mask_activation, encoder_activation: keys of `masking.ACTIVATIONS`.
        filters, sample_rate: see `filterbanks.filterbank`.
    """

    def __init__(
        self,
        num_sources: int = 2,
        num_filters: int = 64,
        kernel_size: int = 16,
        stride: int = 8,
        bottleneck_channels: int = 128,
        hidden_size: int = 128,
        num_layers: int = 1,
        rnn_type: str = "LSTM",
        num_repeats: int = 6,
        chunk_size: int = 100,
        hop_size: int | None = None,
        norm: str = "gLN",
        bidirectional: bool = True,
        dropout: float = 0.0,
        mask_activation: str = "sigmoid",
        encoder_activation: str = "linear",
        filters: str = "free",
        sample_rate: int = 8000,
    ):
        bank = filterbank(filters, num_filters, kernel_size, stride, sample_rate)
        channels = bottleneck_channels
        blocks = [
            RecurrentBlock(
                channels,
                norm,
                bidirectional,
                hidden_size,
                num_layers=num_layers,
                dropout=dropout,
                rnn_type=rnn_type,
            )
            for _ in range(num_repeats)
        ]
        masker = DualPathMasker(
            normed_bottleneck(norm, bank.num_filters, channels),
            blocks,
            Chunks(chunk_size, hop_size),
            channels,
            num_sources,
            nn.Conv1d(channels, bank.num_filters, 1, bias=False),
            mask_activation,
        )
        super().__init__(bank, masker, encoder_activation)


def normed_bottleneck(norm_name: str, num_filters: int, channels: int) -> nn.Module:
    return nn.Sequential(norms.norm(norm_name, num_filters), nn.Conv1d(num_filters, channels, 1))


@waveform_network
class DPTNet(MaskingNetwork):
    """Dual-path transformer.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    Args:
        num_sources: how many waveforms come out.
        num_filters, kernel_size, stride: of the encoder, the last two in samples; the blocks have
            as many channels as there are filters, a multiple of `num_heads`.
        num_heads, hidden_size: of attention and LSTM.
        num_repeats, chunk_size, hop_size, norm, bidirectional, dropout: as in DPRNNTasNet.
        mask_activation, encoder_activation: keys of `masking.ACTIVATIONS`.
        filters, sample_rate: see `filterbanks.filterbank`.
    """

    def __init__(
        self,
        num_sources: int = 2,
        num_filters: int = 64,
        kernel_size: int = 16,
        stride: int = 8,
        num_heads: int = 4,
        hidden_size: int = 256,
        num_repeats: int = 6,
        chunk_size: int = 100,
        hop_size: int | None = None,
        norm: str = "gLN",
        bidirectional: bool = True,
        dropout: float = 0.0,
        mask_activation: str = "relu",
        encoder_activation: str = "relu",
        filters: str = "free",
        sample_rate: int = 8000,
    ):
        bank = filterbank(filters, num_filters, kernel_size, stride, sample_rate)
        channels = bank.num_filters
        blocks = [
            AttentionBlock(
                channels,
                bidirectional,
                num_heads=num_heads,
                hidden_size=hidden_size,
                dropout=dropout,
                norm_name=norm,
            )
            for _ in range(num_repeats)
        ]
        masker = DualPathMasker(
            norms.norm(norm, channels),
            blocks,
            Chunks(chunk_size, hop_size),
            channels,
            num_sources,
            nn.Identity(),
            mask_activation,
            mean_of_overlaps=True,
        )
        super().__init__(bank, masker, encoder_activation)
