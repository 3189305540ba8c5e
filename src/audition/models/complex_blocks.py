"""Layers on complex tensors, whose weights are real: what works on complex numbers is a pair of real
layers, so that optimizers, averages of weights and model files need to know nothing of it."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn


class ComplexLayer(nn.Module):
    """A layer with complex weights: of the pair, one layer has their real parts, the other their
    imaginary ones. Of what is not linear, such as an LSTM, it takes the same sums and differences.

    Args:
        make: what makes a real layer; called twice.
    """

    def __init__(self, make: Callable[[], nn.Module]):
        super().__init__()
        self.real, self.imaginary = make(), make()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = torch.cat([x.real, x.imag])
        real_of_real, real_of_imaginary = output(self.real, parts).chunk(2)
        imaginary_of_real, imaginary_of_imaginary = output(self.imaginary, parts).chunk(2)
        return as_complex(
            real_of_real - imaginary_of_imaginary, real_of_imaginary + imaginary_of_real, x
        )


class PartsApart(nn.Module):
    """Two real layers, one for the real parts and one for the imaginary parts.

    Args:
        make: what makes a real layer; called twice.
    """

    def __init__(self, make: Callable[[], nn.Module]):
        super().__init__()
        self.real, self.imaginary = make(), make()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return as_complex(self.real(x.real), self.imaginary(x.imag), x)


def output(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Of a recurrent layer without its last state."""
    found = layer(x)
    return found[0] if isinstance(found, tuple) else found


def as_complex(real: torch.Tensor, imaginary: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A complex tensor of the dtype of `like`, whatever autocast made of its parts."""
    dtype = like.real.dtype
    return torch.complex(real.to(dtype), imaginary.to(dtype))


class ComplexBlock(nn.Sequential):
    """A convolution, batch normalisation and an activation, the last two on the parts apart.

    Args:
        convolution: what makes a real convolution, which gets no bias.
        channels: that come out of it.
        activation: what makes the activation.
    """

    def __init__(
        self,
        convolution: Callable[..., nn.Module],
        channels: int,
        activation: Callable[[], nn.Module],
    ):
        super().__init__(
            ComplexLayer(partial(convolution, bias=False)),
            PartsApart(partial(nn.BatchNorm2d, channels)),
            PartsApart(activation),
        )


class ComplexRecurrence(nn.Module):
    """LSTM layers along time and a linear one, `(batch, channel, frequency, time)` to the same.

    Args:
        num_features: channels times frequencies.
    """

    def __init__(self, num_features: int, hidden_size: int, num_layers: int):
        super().__init__()
        sizes = [num_features, *[hidden_size] * num_layers]
        self.layers = nn.Sequential(
            *[
                ComplexLayer(partial(nn.LSTM, size, hidden_size, batch_first=True))
                for size in sizes[:-1]
            ],
            ComplexLayer(partial(nn.Linear, hidden_size, num_features)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = self.layers(x.flatten(1, 2).transpose(1, 2))
        return frames.transpose(1, 2).unflatten(1, x.shape[1:3])
