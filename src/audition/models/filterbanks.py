"""Encoders and decoders of waveform networks, by name: learned filters, the STFT, and others."""

import math

import torch
from torch import nn
from torch.nn import functional

from audition.errors import ConfigError

OF_ASTEROID = ("analytic_free", "param_sinc", "mel_gram", "multiphase_gammatone")


class Filterbank(nn.Module):
    """Turns waveforms into frames of filters, and back.

    Attributes:
        num_filters: how many values a frame has.
        kernel_size, stride: of a frame, in samples.
    """

    def __init__(self, num_filters: int, kernel_size: int, stride: int):
        super().__init__()
        self.num_filters, self.kernel_size, self.stride = num_filters, kernel_size, stride

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Frames `(batch, filter, frame)` of waveforms `(batch, 1, sample)`."""
        raise NotImplementedError(f"{type(self).__name__} has no encode method.")

    def decode(self, frames: torch.Tensor) -> torch.Tensor:
        """Waveforms `(batch, 1, sample)` of frames `(batch, filter, frame)`."""
        raise NotImplementedError(f"{type(self).__name__} has no decode method.")

    def heard(self, frames: torch.Tensor) -> torch.Tensor:
        """What masks are estimated from, of frames `(batch, filter, frame)`; as large, and real."""
        return frames


class FreeFilterbank(Filterbank):
    """Filters that are learned, apart for encoder and decoder (Luo and Mesgarani 2018)."""

    def __init__(self, num_filters: int, kernel_size: int, stride: int):
        super().__init__(num_filters, kernel_size, stride)
        self.encoder = nn.Conv1d(1, num_filters, kernel_size, stride, bias=False)
        self.decoder = nn.ConvTranspose1d(num_filters, 1, kernel_size, stride, bias=False)
        for convolution in (self.encoder, self.decoder):
            nn.init.xavier_normal_(convolution.weight)

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        return self.encoder(waveforms)

    def decode(self, frames: torch.Tensor) -> torch.Tensor:
        return self.decoder(frames)


class STFTFilterbank(Filterbank):
    """The STFT with the square root of a Hann window: real parts, then imaginary parts.

    Zeros at both ends let every sample lie in as many windows: a sample in the foot of a single one
    would be divided by next to nothing. The inverse is exact if windows overlap.
    """

    def __init__(self, kernel_size: int, stride: int):
        super().__init__(2 * (kernel_size // 2 + 1), kernel_size, stride)
        self.num_zeros = stride * math.ceil(kernel_size / stride - 1)
        self.register_buffer("window", torch.hann_window(kernel_size).sqrt(), persistent=False)

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(waveforms.squeeze(1), (self.num_zeros, self.num_zeros))
        frames = padded.unfold(-1, self.kernel_size, self.stride) * self.window
        bins = torch.fft.rfft(frames).transpose(1, 2)
        return torch.cat([bins.real, bins.imag], dim=1)

    def decode(self, frames: torch.Tensor) -> torch.Tensor:
        real, imaginary = frames.chunk(2, dim=1)
        pieces = torch.fft.irfft(torch.complex(real, imaginary).transpose(1, 2), n=self.kernel_size)
        pieces = (pieces * self.window).transpose(1, 2)
        squares = self.window.square()[None, :, None].expand(1, -1, pieces.shape[-1])
        weight = self.overlapped(squares).clamp_min(1e-8)
        waveforms = self.overlapped(pieces) / weight
        return waveforms[..., self.num_zeros : waveforms.shape[-1] - self.num_zeros]

    def overlapped(self, pieces: torch.Tensor) -> torch.Tensor:
        """Sum of pieces `(batch, sample, frame)`, as `(batch, 1, sample)`."""
        length = self.kernel_size + (pieces.shape[-1] - 1) * self.stride
        added = functional.fold(pieces, (1, length), (1, self.kernel_size), stride=(1, self.stride))
        return added.squeeze(2)


class STFTMagnitudeFilterbank(STFTFilterbank):
    """The complex STFT, of which the masker hears log-magnitudes; a mask is real.

    Heitkaemper et al., "Demystifying TasNet: A dissecting approach", ICASSP 2020.
    """

    def __init__(self, kernel_size: int, stride: int):
        super().__init__(kernel_size, stride)
        self.num_filters //= 2

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        return torch.complex(*super().encode(waveforms).chunk(2, dim=1))

    def heard(self, frames: torch.Tensor) -> torch.Tensor:
        return (frames.real.square() + frames.imag.square() + 1e-8).log()

    def decode(self, frames: torch.Tensor) -> torch.Tensor:
        return super().decode(torch.cat([frames.real, frames.imag], dim=1))


class AsteroidFilterbank(Filterbank):
    """A filterbank of the package asteroid-filterbanks, with its decoder; a mel-gram's is learned."""

    def __init__(
        self, name: str, num_filters: int, kernel_size: int, stride: int, sample_rate: int
    ):
        try:
            import asteroid_filterbanks as theirs
        except ImportError as error:
            raise ConfigError(
                f"filterbank = {name!r} needs asteroid-filterbanks: pip install --no-deps "
                "asteroid-filterbanks, or choose 'free' or 'stft'."
            ) from error
        sizes = {"kernel_size": kernel_size, "stride": stride, "sample_rate": sample_rate}
        if name == "mel_gram":
            encoder = theirs.Encoder(
                theirs.melgram_fb.MelGramFB(kernel_size, n_mels=num_filters, **sizes)
            )
            decoder = theirs.Decoder(theirs.FreeFB(num_filters, **sizes))
        else:
            encoder, decoder = theirs.make_enc_dec(name, n_filters=num_filters, **sizes)
        super().__init__(
            encoder.n_feats_out, encoder.filterbank.kernel_size, stride
        )  # a sinc is odd
        self.encoder, self.decoder = encoder, decoder

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        return self.encoder(waveforms)

    def decode(self, frames: torch.Tensor) -> torch.Tensor:
        return self.decoder(frames.unsqueeze(1)).reshape(len(frames), 1, -1)


def filterbank(
    name: str, num_filters: int, kernel_size: int, stride: int, sample_rate: int
) -> Filterbank:
    """A filterbank by name.

    Args:
        name: "free" (learned), "stft" or "stft_magnitude" (whose number of filters follows from
            `kernel_size`), or, of asteroid-filterbanks, "analytic_free", "param_sinc", "mel_gram", "multiphase_gammatone".
        sample_rate: in Hz; only the last three depend on it.

    Raises:
        ConfigError: no such filterbank, or its package is missing.
    """
    if name == "free":
        return FreeFilterbank(num_filters, kernel_size, stride)
    if name == "stft":
        return STFTFilterbank(kernel_size, stride)
    if name == "stft_magnitude":
        return STFTMagnitudeFilterbank(kernel_size, stride)
    if name in OF_ASTEROID:
        return AsteroidFilterbank(name, num_filters, kernel_size, stride, sample_rate)
    known = ", ".join(["free", "stft", "stft_magnitude", *OF_ASTEROID])
    raise ConfigError(f"filterbank = {name!r} is none of {known}; choose one.")
