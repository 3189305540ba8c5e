"""Plain torch: what an iteration costs without a toolkit, on one batch that is there already."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import torch
from torch import nn

from benchmarks.peers import corpus


class MaskNetwork(nn.Module):
    """BLSTM that estimates sigmoid masks of two voices from log magnitudes.

    Forward takes waveforms `(batch, sample)` and returns estimates `(batch, source, sample)`.
    """

    def __init__(self, num_layers: int, hidden_size: int):
        super().__init__()
        self.recurrent = nn.LSTM(
            corpus.NUM_FREQUENCIES, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.normalize = nn.BatchNorm1d(corpus.NUM_FREQUENCIES)
        self.mask = nn.Linear(2 * hidden_size, 2 * corpus.NUM_FREQUENCIES)
        self.register_buffer("window", torch.hann_window(corpus.WINDOW_LENGTH).sqrt())

    def masks(self, magnitude: torch.Tensor) -> torch.Tensor:
        """`(batch, source, frequency, time)` of magnitudes `(batch, frequency, time)`."""
        level = self.normalize(20 * magnitude.clamp_min(1e-5).log10())
        hidden, _ = self.recurrent(level.mT)
        masks = torch.sigmoid(self.mask(hidden)).unflatten(-1, (2, corpus.NUM_FREQUENCIES))
        return masks.permute(0, 2, 3, 1)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        settings = {
            "n_fft": corpus.WINDOW_LENGTH,
            "hop_length": corpus.HOP_LENGTH,
            "window": self.window,
        }
        spectrum = torch.stft(mix, **settings, return_complex=True)
        estimates = (self.masks(spectrum.abs()) * spectrum.unsqueeze(1)).flatten(0, 1)
        audio = torch.istft(estimates, **settings, length=mix.shape[-1])
        return audio.unflatten(0, (-1, 2))


def si_sdr_loss(estimates: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Negative SI-SDR of the best order, from all pairs at once; both `(batch, source, sample)`."""
    estimates, sources = (x - x.mean(-1, keepdim=True) for x in (estimates, sources))
    dots = estimates @ sources.mT  # (batch, estimate, source)
    energies = sources.square().sum(-1).unsqueeze(1)
    target = dots.square() / energies
    noise = estimates.square().sum(-1, keepdim=True) - target
    pairs = 10 * torch.log10(target / noise.clamp_min(1e-8) + 1e-8)
    orders = [pairs[:, range(2), order].mean(-1) for order in permutations(range(2))]
    return -torch.stack(orders).amax(0).mean()


def repeat(gate: Callable, network: nn.Module, loss: Callable[[], torch.Tensor]) -> None:
    optimizer = torch.optim.Adam(network.parameters())
    while True:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        gate()


def end_to_end(gate: Callable, folder: Path, num_layers: int, hidden_size: int) -> None:
    torch.manual_seed(0)
    network = MaskNetwork(num_layers, hidden_size)
    num_samples = round(corpus.EXCERPT_SECONDS * corpus.SPEECH_RATE)
    sources = 0.05 * torch.randn(corpus.BATCH_SIZE, 2, num_samples)
    repeat(gate, network, lambda: si_sdr_loss(network(sources.sum(1)), sources))


def spectral(
    gate: Callable, folder: Path, num_layers: int, hidden_size: int, num_frames: int
) -> None:
    """Masks of a spectrogram that is there already, against magnitudes, L1 of the better order."""
    torch.manual_seed(0)
    network = MaskNetwork(num_layers, hidden_size)
    sources = torch.rand(corpus.BATCH_SIZE, 2, corpus.NUM_FREQUENCIES, num_frames)
    mix = sources.sum(1)

    def loss() -> torch.Tensor:
        estimates = network.masks(mix) * mix.unsqueeze(1)
        orders = [(estimates - one).abs().mean((1, 2, 3)) for one in (sources, sources.flip(1))]
        return torch.stack(orders).amin(0).mean()

    repeat(gate, network, loss)
