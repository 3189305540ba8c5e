"""Dual-path networks: long sequences cut into chunks, processed within chunks and across them in turn.

One frame, several processors: DPRNN (Luo, Chen and Yoshioka, "Dual-path RNN: efficient long sequence
modeling for time-domain single-channel speech separation", ICASSP 2020) and DPTNet (Chen, Mao and
Liu, "Dual-path transformer network: direct context-aware modeling for end-to-end monaural speech
separation", Interspeech 2020) here, SepFormer in `sepformer`.
"""

from torch import nn

from audition.models import norms
from audition.models.chunks import Chunks, DualPathMasker
from audition.models.dual_path_blocks import AttentionBlock, RecurrentBlock, check_heads
from audition.models.filterbanks import filterbank
from audition.models.masking import MaskingNetwork
from audition.models.waveform import waveform_network


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
            norms.normed_bottleneck(norm, bank.num_filters, channels),
            blocks,
            Chunks(chunk_size, hop_size),
            channels,
            num_sources,
            nn.Conv1d(channels, bank.num_filters, 1, bias=False),
            mask_activation,
        )
        super().__init__(bank, masker, encoder_activation)


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
        check_heads("num_filters", channels, num_heads)
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
