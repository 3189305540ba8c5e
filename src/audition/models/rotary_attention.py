"""Transformers on sequences `(batch, place, feature)` whose attention knows places by rotation.

Su et al., "RoFormer: Enhanced transformer with rotary position embedding", 2021; with RMS normalisation
and a gate for each head, as the band-split RoFormers are trained.
"""

import torch
from torch import nn
from torch.nn import functional


class RMSNorm(nn.RMSNorm):
    """In single precision, and without a floor that the values of a quiet spectrum would fall below."""

    def __init__(self, num_features: int):
        super().__init__(num_features, eps=1e-24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.float())


class Attention(nn.Module):
    """Self-attention on sequences with rotary positions, and a gate for each head."""

    def __init__(self, num_features: int, num_heads: int, head_size: int, dropout: float):
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.norm = RMSNorm(num_features)
        self.inputs = nn.Linear(num_features, 3 * num_heads * head_size, bias=False)
        self.gates = nn.Linear(num_features, num_heads)
        self.output = nn.Linear(num_heads * head_size, num_features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        parts = self.inputs(x).unflatten(-1, (3, self.num_heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # (batch, head, place, feature)
        attended = functional.scaled_dot_product_attention(
            rotated(queries),
            rotated(keys),
            values,
            dropout_p=self.dropout if self.training else 0.0,
        )
        gated = attended.transpose(1, 2) * self.gates(x).sigmoid().unsqueeze(-1)
        return functional.dropout(self.output(gated.flatten(2)), self.dropout, self.training)


def rotated(x: torch.Tensor) -> torch.Tensor:
    """Turns each pair of features of `(…, place, feature)` by an angle that grows with the place."""
    num_places, num_features = x.shape[-2:]
    places = torch.arange(num_places, device=x.device, dtype=torch.float32)
    powers = torch.arange(0, num_features, 2, device=x.device, dtype=torch.float32) / num_features
    angles = torch.outer(places, 10000.0**-powers)
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = (even * cosine - odd * sine, odd * cosine + even * sine)
    return torch.stack(turned, dim=-1).flatten(-2)


class Transformer(nn.Module):
    """Layers of attention and a feed-forward network on sequences, each added to its input.

    Args:
        norm: whether what comes out is normalised.
    """

    def __init__(
        self,
        num_features: int,
        num_layers: int,
        num_heads: int,
        head_size: int,
        dropout: float,
        norm: bool,
    ):
        super().__init__()
        self.layers = nn.ModuleList()
        for _ in range(num_layers):
            self.layers.append(Attention(num_features, num_heads, head_size, dropout))
            self.layers.append(feed_forward(num_features, dropout))
        self.norm = RMSNorm(num_features) if norm else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return self.norm(x)


def feed_forward(num_features: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        RMSNorm(num_features),
        nn.Linear(num_features, 4 * num_features),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(4 * num_features, num_features),
        nn.Dropout(dropout),
    )
