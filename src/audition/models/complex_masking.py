"""Complex masks on spectra, from U-Nets of complex layers: DCUNet and DCCRN.

Choi, Kim, Huh, Kim, Ha and Lee, "Phase-aware speech enhancement with deep complex U-Net", ICLR 2019.
Hu et al., "DCCRN: Deep complex convolution recurrent network for phase-aware speech enhancement",
Interspeech 2020. Both enhance speech, with one mask; here each source has a mask. In details that the
papers leave open, and in normalising real and imaginary parts apart, they follow asteroid's
networks, which people train.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from audition.errors import ConfigError
from audition.models.complex_blocks import ComplexRecurrence
from audition.models.complex_unet import Architecture, complex_unet, mirrored
from audition.models.masking import activation
from audition.models.spectra import Spectra
from audition.models.waveform import waveform_network

DCUNETS = {
    "DCUNet-10": mirrored(
        [32, 64, 64, 64, 64], [(7, 5)] * 2 + [(5, 3)] * 3, [(2, 2)] * 4 + [(2, 1)]
    ),
    "DCUNet-16": mirrored([32, 32] + [64] * 6, [(7, 5)] * 3 + [(5, 3)] * 5, [(2, 2), (2, 1)] * 4),
    "DCUNet-20": mirrored(
        [32, 32] + [64] * 7 + [90],
        [(7, 1), (1, 7)] + [(7, 5)] * 2 + [(5, 3)] * 6,
        [(1, 1)] * 2 + [(2, 2), (2, 1)] * 4,
    ),
    "Large-DCUNet-20": Architecture(
        [45, 45] + [90] * 7 + [128],
        [(7, 1), (1, 7)] + [(7, 5)] * 2 + [(5, 3)] * 6,
        [(1, 1)] * 2 + [(2, 2), (2, 1)] * 4,
        [90] * 9,
    ),
    "mini": mirrored([4, 8, 16], [(7, 5)] * 2 + [(5, 3)], [(2, 2)] * 3),
}
DCCRNS = {
    "DCCRN-CL": mirrored([16, 32, 64, 128, 128, 128], [(5, 2)] * 6, [(2, 1)] * 6),
    "mini": mirrored([4, 8], [(5, 2)] * 2, [(2, 1)] * 2),
}


class ComplexMaskingNetwork(nn.Module):
    """Separates waveforms by complex masks; the channels of a signal are separated each by itself.

    Args:
        spectra: the STFT.
        unet: from complex `(batch, 1, frequency, time)` to `(batch, source, frequency, time)`.
        mask_activation: of the masks' magnitudes, a key of `masking.ACTIVATIONS`.
    """

    def __init__(self, spectra: Spectra, unet: nn.Module, mask_activation: str):
        super().__init__()
        self.spectra, self.unet = spectra, unet
        self.activation = activation(mask_activation)
        # by which spectra have the energy of the waveform; all but the outer bins stand for two
        doubled = torch.full((spectra.num_frequencies, 1), 2.0)
        doubled[0] = doubled[-1] = 1.0
        energy = spectra.window.square().sum() / spectra.hop_length * spectra.fft_length
        self.register_buffer("scale", (doubled / energy).sqrt(), persistent=False)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Estimates `(batch, source, channel, sample)` of mixtures `(batch, channel, sample)`."""
        num_batch, num_channels, num_samples = mix.shape
        spectra = self.spectra.encode(mix.reshape(-1, num_samples))
        masked = self.masks(spectra * self.scale) * spectra.unsqueeze(1)
        estimates = self.spectra.decode(masked.flatten(0, 1), num_samples)
        estimates = estimates.reshape(num_batch, num_channels, -1, num_samples)
        return estimates.transpose(1, 2)

    def masks(self, frames: torch.Tensor) -> torch.Tensor:
        """Complex `(batch, source, frequency, time)` of complex `(batch, frequency, time)`."""
        padding = self.padding(*frames.shape[-2:])
        masks = self.unet(functional.pad(frames, padding).unsqueeze(1))
        magnitudes = masks.abs().clamp_min(1e-8)
        masks = masks * (self.activation(magnitudes) / magnitudes)
        return functional.pad(masks, [-one for one in padding])

    def padding(self, num_frequencies: int, num_frames: int) -> tuple[int, ...]:
        """How many zeros the U-Net needs, as `functional.pad` takes them; negative ones are cut off."""
        raise NotImplementedError(f"{type(self).__name__} has no padding method.")


@waveform_network
class DCUNet(ComplexMaskingNetwork):
    """Deep complex U-Net; at its defaults the paper's best, Large-DCUNet-20, 7.7 M parameters.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    Args:
        num_sources: how many waveforms come out.
        architecture: a key of DCUNETS.
        window_length, hop_length: of the STFT in samples; 64 ms and 16 ms at 16 kHz, as in the paper.
        mask_activation: of the masks' magnitudes; "tanh" is the paper's best, BDT, and "linear" its
            UBD.
    """

    def __init__(
        self,
        num_sources: int = 2,
        architecture: str = "Large-DCUNet-20",
        window_length: int = 1024,
        hop_length: int = 256,
        mask_activation: str = "tanh",
    ):
        layers = layers_of("DCUNet", architecture, DCUNETS)
        unet = complex_unet(layers, num_sources, nn.LeakyReLU)
        super().__init__(Spectra(window_length, hop_length), unet, mask_activation)
        self.steps = layers.steps()

    def padding(self, num_frequencies: int, num_frames: int) -> tuple[int, ...]:
        along_frequency, along_time = self.steps
        return 0, (1 - num_frames) % along_time, 0, (1 - num_frequencies) % along_frequency


@waveform_network
class DCCRN(ComplexMaskingNetwork):
    """Deep complex convolutional recurrent network; at its defaults DCCRN-CL, 3.7 M parameters.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`, in which the bin at half the sample rate is silent.

    Args:
        num_sources: how many waveforms come out.
        architecture: a key of DCCRNS.
        window_length, hop_length, fft_length: of the STFT in samples; 25 ms, 6.25 ms and 32 ms at
            16 kHz, as in the paper.
        hidden_size, num_layers: of the LSTM.
        mask_activation: of the masks' magnitudes, "tanh" in the paper.
    """

    def __init__(
        self,
        num_sources: int = 2,
        architecture: str = "DCCRN-CL",
        window_length: int = 400,
        hop_length: int = 100,
        fft_length: int = 512,
        hidden_size: int = 128,
        num_layers: int = 2,
        mask_activation: str = "tanh",
    ):
        layers = layers_of("DCCRN", architecture, DCCRNS)
        step, _ = layers.steps()
        num_features = layers.channels[-1] * math.ceil(fft_length // 2 / step)
        between = ComplexRecurrence(num_features, hidden_size, num_layers)
        unet = complex_unet(layers, num_sources, nn.PReLU, (1, 0), between)
        spectra = Spectra(window_length, hop_length, fft_length=fft_length)
        super().__init__(spectra, unet, mask_activation)
        self.step = step
        self.fewest_frames = 1 + len(layers.channels)  # each encoder takes one away

    def padding(self, num_frequencies: int, num_frames: int) -> tuple[int, ...]:
        too_few = max(0, self.fewest_frames - num_frames)
        return 0, too_few, 0, (1 - num_frequencies) % self.step - 1


def layers_of(network: str, architecture: str, known: dict[str, Architecture]) -> Architecture:
    if architecture not in known:
        raise ConfigError(
            f"{network}.architecture = {architecture!r} is none of {', '.join(known)}; choose one."
        )
    return known[architecture]
