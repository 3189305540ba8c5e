"""The frame of the networks that separate complex spectra of several channels together."""

import torch
from torch import nn

from audition.models.spectra import Spectra


class SpectralNetwork(nn.Module):
    """Base class of networks that make spectra of sources from the spectrum of a mixture.

    Signals may have any length. One with another number of channels than the network has its channels
    separated one by one: each is repeated for the network, and its estimates are averaged.

    Args:
        num_channels: of the signals that the network takes as a whole.
        window_length, hop_length: of the STFT, in samples.
    """

    def __init__(self, num_channels: int, window_length: int, hop_length: int):
        super().__init__()
        self.num_channels = num_channels
        self.spectra = Spectra(window_length, hop_length, window="hann", mirrored=True)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Estimates `(batch, source, channel, sample)` of mixtures `(batch, channel, sample)`."""
        if mix.shape[1] != self.num_channels:
            alone = mix.reshape(-1, 1, mix.shape[-1]).expand(-1, self.num_channels, -1)
            estimates = self(alone).mean(dim=2)
            return estimates.unflatten(0, mix.shape[:2]).transpose(1, 2)
        estimates = self.separate(self.analysed(mix))
        waveforms = self.spectra.decode(estimates.flatten(0, 2), mix.shape[-1])
        return waveforms.unflatten(0, estimates.shape[:3])

    def analysed(self, mix: torch.Tensor) -> torch.Tensor:
        """Complex `(batch, channel, frequency, frame)` of mixtures `(batch, channel, sample)`."""
        return self.spectra.encode(mix.flatten(0, 1)).unflatten(0, mix.shape[:2])

    def separate(self, spectra: torch.Tensor) -> torch.Tensor:
        """Complex `(batch, source, channel, frequency, frame)` of `(batch, channel, frequency, frame)`."""
        raise NotImplementedError(f"{type(self).__name__} has no separate method.")
