"""The blocks of TF-GridNet: along frequency, along time, and between frames in turn.

All take and return `(batch, time, frequency, channel)`.
"""

import torch
from torch import nn
from torch.nn import functional


class Line(nn.Module):
    """An LSTM along an axis, over windows of neighbours, added to its input.

    Forward takes and returns `(batch, line, position, channel)`, and looks along `position`, of
    which windows must have no rest.

    Args:
        window, hop: of neighbours that the LSTM gets at once, and that a transposed convolution
            makes of what it returns (I, J).
        hidden_size: of the LSTM in each direction (H).
    """

    def __init__(self, channels: int, window: int, hop: int, hidden_size: int):
        super().__init__()
        self.window, self.hop = window, hop
        self.norm = nn.LayerNorm(channels)
        self.rnn = nn.LSTM(channels * window, hidden_size, batch_first=True, bidirectional=True)
        self.spread = nn.ConvTranspose1d(2 * hidden_size, channels, window, hop)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        windows = self.norm(x).flatten(0, 1).unfold(1, self.window, self.hop).flatten(2)
        hidden, _ = self.rnn(windows)
        spread = self.spread(hidden.transpose(1, 2)).transpose(1, 2)
        return x + spread.unflatten(0, x.shape[:2])


class NormOfFrames(nn.Module):
    """Over the frequencies and the channels of each frame; `(batch, …, time, frequency, channel)`.

    Args:
        shape: of weights and biases, which may differ from head to head: `(…, 1, frequency, channel)`.
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-2:]) * self.weight + self.bias


class Heads(nn.Module):
    """What each head of the attention hears of a frame, `(batch, head, time, frequency · channel)`.

    Args:
        size: channels of a head.
    """

    def __init__(self, channels: int, num_heads: int, size: int, num_frequencies: int):
        super().__init__()
        self.num_heads = num_heads
        self.linear = nn.Linear(channels, num_heads * size)
        self.activation = nn.PReLU(num_heads)
        self.norm = NormOfFrames(num_heads, 1, num_frequencies, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.linear(x).unflatten(-1, (self.num_heads, -1)).permute(0, 3, 1, 2, 4)
        return self.norm(self.activation(heads)).flatten(-2)


class FrameAttention(nn.Module):
    """Attention of each frame, as a whole, to all frames, added to its input.

    Args:
        size: channels of the queries and keys of a head (E); values have their share of `channels`.
    """

    def __init__(self, channels: int, num_heads: int, size: int, num_frequencies: int):
        super().__init__()
        self.query, self.key = (Heads(channels, num_heads, size, num_frequencies) for _ in range(2))
        self.value = Heads(channels, num_heads, channels // num_heads, num_frequencies)
        self.exit = nn.Sequential(
            nn.Linear(channels, channels), nn.PReLU(), NormOfFrames(1, num_frequencies, channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        attended = functional.scaled_dot_product_attention(
            self.query(x), self.key(x), self.value(x)
        )
        by_frequency = attended.unflatten(-1, (x.shape[2], -1)).permute(0, 2, 3, 1, 4)
        return x + self.exit(by_frequency.flatten(-2))


class GridBlock(nn.Module):
    """A line along the frequencies of each frame, one along the frames of each frequency, attention.

    Both lines begin and end with zeros, so that as many windows hear the outermost bins as others.
    """

    def __init__(
        self,
        channels: int,
        window: int,
        hop: int,
        hidden_size: int,
        num_heads: int,
        size: int,
        num_frequencies: int,
    ):
        super().__init__()
        self.window, self.hop = window, hop
        self.along_frequency = Line(channels, window, hop, hidden_size)
        self.along_time = Line(channels, window, hop, hidden_size)
        self.attention = FrameAttention(channels, num_heads, size, num_frequencies)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        num_frames, num_frequencies = x.shape[1:3]
        begin = self.window - self.hop
        ends = [begin + self.rest(count) for count in (num_frequencies, num_frames)]
        x = functional.pad(x, (0, 0, begin, ends[0], begin, ends[1]))
        x = self.along_frequency(x)
        x = self.along_time(x.transpose(1, 2)).transpose(1, 2)
        return self.attention(x[:, begin:, begin:][:, :num_frames, :num_frequencies])

    def rest(self, count: int) -> int:
        """How many positions more make whole windows of `count` and the zeros on either side."""
        return -(count + self.window - 2 * self.hop) % self.hop
