"""What processes chunks: blocks of paths that are normalised, as DPRNN's, and DPTNet's with attention."""

import torch
from torch import nn

from audition.errors import ConfigError
from audition.models import norms
from audition.models.chunks import across_chunks, within_chunks

RECURRENT = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


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
        if rnn_type not in RECURRENT:
            raise ConfigError(
                f"rnn_type = {rnn_type!r} is none of {', '.join(RECURRENT)}; choose one."
            )
        self.rnn = RECURRENT[rnn_type](
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


class NormedBlock(nn.Module):
    """A path within chunks, then one across them, each normalised and added to its input."""

    def __init__(self, within: nn.Module, across: nn.Module, channels: int, norm_name: str):
        super().__init__()
        self.within, self.within_norm = within, norms.norm(norm_name, channels)
        self.across, self.across_norm = across, norms.norm(norm_name, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.within_norm(within_chunks(self.within, x))
        return x + self.across_norm(across_chunks(self.across, x))


class RecurrentBlock(NormedBlock):
    """DPRNN's block."""

    def __init__(
        self, channels: int, norm_name: str, bidirectional: bool, hidden_size: int, **recurrent
    ):
        super().__init__(
            RecurrentPath(channels, hidden_size, bidirectional=True, **recurrent),
            RecurrentPath(channels, hidden_size, bidirectional, **recurrent),
            channels,
            norm_name,
        )


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


def check_heads(binding: str, channels: int, num_heads: int) -> None:
    """Raises a ConfigError if the heads of attention can't share the channels."""
    if channels % num_heads:
        raise ConfigError(
            f"{binding} = {channels} can't be shared by num_heads = {num_heads}: bind a multiple of it."
        )
