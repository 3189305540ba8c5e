"""TF-GridNet: complex spectra of the sources from blocks along frequency, along time and between frames.

Wang, Cornell, Choi, Lee, Kim and Watanabe, "TF-GridNet: Integrating full- and sub-band modeling for
speech separation", IEEE/ACM TASLP 2023. Details are those of ESPnet's TFGridNetV2, by the authors.
"""

import math

import torch
from torch import nn

from audition.errors import ConfigError
from audition.models.grid_blocks import GridBlock
from audition.models.spectra import Spectra
from audition.models.waveform import waveform_network


@waveform_network
class TFGridNet(nn.Module):
    """TF-GridNet; at its defaults the paper's best at 8 kHz, 14.5 M parameters.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`. Of one microphone, the channels of a signal are separated each
    by itself. Of several, the channels are the microphones, and one channel comes out: each source as
    one microphone heard it, the one that WaveformFeatures.reference_channel and
    evaluate.reference_channel say.

    Args:
        num_sources: how many waveforms come out.
        num_microphones: channels of a mixture that are heard together.
        window_length, hop_length: of the STFT in samples; 32 ms and 8 ms at 8 kHz.
        window: "sqrt_hann", or "hann" as in ESPnet's recipes.
        channels: of each bin (D).
        num_blocks: how many blocks (B).
        neighbours, stride: of each LSTM's windows (I, J). With 1 and 1 and 128 channels, training is
            faster by a third (ESPnet).
        hidden_size: of each LSTM in each direction (H).
        num_heads: of the attention, whose queries and keys have `query_size` values a frame, rounded
            up to a whole number for each bin (L, E).

    Raises:
        ConfigError: sizes don't fit each other; in forward, a mixture doesn't have the microphones.
    """

    def __init__(
        self,
        num_sources: int = 2,
        num_microphones: int = 1,
        window_length: int = 256,
        hop_length: int = 64,
        window: str = "sqrt_hann",
        channels: int = 64,
        num_blocks: int = 6,
        neighbours: int = 4,
        stride: int = 1,
        hidden_size: int = 256,
        num_heads: int = 4,
        query_size: int = 512,
    ):
        if channels % num_heads:
            raise ConfigError(
                f"TFGridNet.channels = {channels} can't be shared by num_heads = {num_heads}; bind a "
                "multiple."
            )
        if stride > neighbours:
            raise ConfigError(
                f"TFGridNet.stride = {stride} leaves out neighbours between windows of {neighbours}; "
                f"bind at most {neighbours}."
            )
        super().__init__()
        self.num_sources, self.num_microphones = num_sources, num_microphones
        self.spectra = Spectra(window_length, hop_length, window)
        num_frequencies = self.spectra.num_frequencies
        self.entry = nn.Sequential(
            nn.Conv2d(2 * num_microphones, channels, 3, padding=1), nn.GroupNorm(1, channels)
        )
        size = math.ceil(query_size / num_frequencies)
        self.blocks = nn.Sequential(
            *[
                GridBlock(
                    channels, neighbours, stride, hidden_size, num_heads, size, num_frequencies
                )
                for _ in range(num_blocks)
            ]
        )
        self.exit = nn.ConvTranspose2d(channels, 2 * num_sources, 3, padding=1)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Estimates `(batch, source, channel, sample)` of mixtures `(batch, channel, sample)`."""
        num_batch, num_channels, num_samples = mix.shape
        if self.num_microphones > 1 and num_channels != self.num_microphones:
            raise ConfigError(
                f"TFGridNet.num_microphones = {self.num_microphones}, but mixtures have "
                f"{num_channels} channels; bind what they have, or 1 to separate each by itself."
            )
        mix = mix.reshape(-1, self.num_microphones, num_samples)
        unbiased = int(mix[0].numel() > 1)
        scale = mix.std(dim=(1, 2), correction=unbiased, keepdim=True).clamp_min(1e-8)
        spectra = self.spectra.encode((mix / scale).flatten(0, 1))
        estimates = self.separated(spectra.unflatten(0, mix.shape[:2])).flatten(0, 1)
        waveforms = self.spectra.decode(estimates, num_samples)
        waveforms = waveforms.unflatten(0, (-1, self.num_sources)) * scale
        return waveforms.unflatten(0, (num_batch, -1)).transpose(1, 2)

    def separated(self, spectra: torch.Tensor) -> torch.Tensor:
        """Complex `(batch, source, frequency, time)` of `(batch, microphone, frequency, time)`."""
        parts = torch.cat([spectra.real, spectra.imag], dim=1).mT
        x = self.blocks(self.entry(parts).permute(0, 2, 3, 1))
        parts = self.exit(x.permute(0, 3, 1, 2)).mT.to(spectra.real.dtype)
        real, imaginary = parts.unflatten(1, (-1, 2)).unbind(2)
        return torch.complex(real, imaginary)
