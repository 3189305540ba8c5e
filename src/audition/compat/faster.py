"""Results that nussl 1.1.9 computes rightly but slowly, and stalling a GPU.

Each function takes the nussl module it speeds up; line numbers are nussl's.
"""

import types

import torch
from torch.nn.functional import fold, pad

SMALLEST = 1e-8  # of the real and of the imaginary part, as in nussl


def fourier_transform(filter_bank: types.ModuleType) -> None:
    """ml/networks/modules/filter_bank.py:308 multiplies each frame by a dense Fourier matrix.

    The same by FFT, as long as the filters are those of the transform: learned ones, as of a network
    with `trainable = True`, and dilated ones go nussl's way. It also assigns by boolean masks, for
    which the host waits for the device.
    """
    original = filter_bank.STFT
    slow_transform, slow_inverse = original.transform, original.inverse
    load = original._load_from_state_dict

    def transform(self, data):
        return to_polar(self, data) if is_fourier(self) else slow_transform(self, data)

    def inverse(self, data):
        return from_polar(self, data) if is_fourier(self) else slow_inverse(self, data)

    def load_and_look_again(self, *args):
        load(self, *args)
        self.holds_fourier = None

    original.transform, original.inverse = transform, inverse
    original.holds_fourier = None
    original._load_from_state_dict = load_and_look_again


def is_fourier(stft: torch.nn.Module) -> bool:
    """Whether the filters are fixed, and those of the Fourier transform."""
    filters = stft.transform_filters, stft.inverse_filters
    if stft.dilation != 1 or any(one.requires_grad for one in filters):
        return False
    if stft.holds_fourier is None:
        stft.holds_fourier = all(map(are_close, filters, fourier_filters(stft.filter_length)))
    return stft.holds_fourier


def are_close(filters: torch.Tensor, others: torch.Tensor) -> bool:
    return torch.allclose(filters.detach().cpu(), others, rtol=0.0, atol=1e-4)


def fourier_filters(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrices `(sample, real and imaginary parts)` of the transform, and of its inverse."""
    there = torch.fft.rfft(torch.eye(length))
    bins = torch.eye(there.shape[-1], dtype=there.dtype)
    back = torch.cat([torch.fft.irfft(bins, n=length), torch.fft.irfft(1j * bins, n=length)])
    return torch.cat([there.real, there.imag], dim=1), back


def to_polar(stft: torch.nn.Module, audio: torch.Tensor) -> torch.Tensor:
    """Magnitudes and below them phases `(batch, time, 2 · frequency, channel[, source])`.

    Args:
        audio: `(batch, channel, sample[, source])`.
    """
    length, hop = stft.filter_length, stft.hop_length
    sources_apart = audio.ndim > 3
    audio = audio.movedim(-1, 1) if sources_apart else audio
    stft.original_length = audio.shape[-1]
    extra = -(audio.shape[-1] - length) % hop % length
    audio = pad(audio, (length // 2, length // 2 + extra))
    stft.output_length = audio.shape[-1]
    window = stft.window.flatten()
    spectrum = torch.fft.rfft(audio.unfold(-1, length, hop) * (window / window.sum()))
    real, imaginary = (
        one.where(one.abs() > SMALLEST, SMALLEST) for one in (spectrum.real, spectrum.imag)
    )
    magnitude = (real.square() + imaginary.square()).sqrt()
    polar = torch.cat([magnitude, torch.atan2(imaginary, real)], dim=-1)
    # ([batch, ]source, channel, time, feature) → (batch, time, feature, channel[, source])
    return polar.permute(0, 3, 4, 2, 1) if sources_apart else polar.permute(0, 2, 3, 1)


def from_polar(stft: torch.nn.Module, polar: torch.Tensor) -> torch.Tensor:
    """Audio `(batch, channel, sample[, source])` of what `to_polar` gives."""
    length, hop = stft.filter_length, stft.hop_length
    sources_apart = polar.ndim > 4
    polar = polar.permute(0, 4, 3, 1, 2) if sources_apart else polar.permute(0, 3, 1, 2)
    magnitude, phase = polar.tensor_split(2, dim=-1)
    spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
    frames = torch.fft.irfft(spectrum, n=length)
    window = stft.window.flatten()
    frames = (frames * (window * window.sum())).flatten(0, -3)
    energy = window.square().expand(1, frames.shape[1], length)
    audio, energy = (overlap_add(one, stft.output_length, hop) for one in (frames, energy))
    audio = audio / energy.where(energy >= 1e-10, 1.0)
    audio = audio[:, length // 2 :][:, : stft.original_length]
    audio = audio.reshape(*polar.shape[:-2], -1)
    return audio.movedim(1, -1) if sources_apart else audio


def overlap_add(frames: torch.Tensor, num_samples: int, hop: int) -> torch.Tensor:
    """Sums `(batch, sample)` of frames `(batch, time, sample of the frame)`."""
    length = frames.shape[-1]
    if length % hop:
        return fold(frames.mT, (1, num_samples), (1, length), stride=(1, hop))[:, 0, 0]
    blocks = frames.unflatten(-1, (-1, hop)).unbind(2)
    last = len(blocks) - 1
    return sum(pad(one, (0, 0, i, last - i)) for i, one in enumerate(blocks)).flatten(1)
