"""Complex spectra of waveforms and back, for networks that work on them."""

import torch
from torch import nn
from torch.nn import functional

from audition.errors import ConfigError

WINDOWS = {
    "hann": torch.hann_window,
    "sqrt_hann": lambda length: torch.hann_window(length).sqrt(),
}


class Spectra(nn.Module):
    """The STFT, with a frame around each multiple of the hop, and its exact inverse.

    Beyond its ends a signal is zero, so that any length will do, and its last frame is centred at or
    beyond its end; or it is mirrored there, as in librosa, and is zero only up to the length of a frame.

    Args:
        window_length, hop_length: in samples.
        window: "hann" or "sqrt_hann".
        fft_length: of the transform of a window in the middle of zeros, in samples; None is
            `window_length`.
        mirrored: whether a signal is.

    Raises:
        ConfigError: windows overlap by less than a half, or are longer than the transform.
    """

    def __init__(
        self,
        window_length: int,
        hop_length: int,
        window: str = "sqrt_hann",
        fft_length: int | None = None,
        mirrored: bool = False,
    ):
        super().__init__()
        self.mirrored = mirrored
        self.hop_length, self.fft_length = hop_length, fft_length or window_length
        if not 2 * hop_length <= window_length <= self.fft_length:
            raise ConfigError(
                f"window_length = {window_length} must be at least twice hop_length = {hop_length} "
                f"and at most fft_length = {self.fft_length}; bind others."
            )
        self.num_frequencies = self.fft_length // 2 + 1
        self.register_buffer("window", WINDOWS[window](window_length), persistent=False)

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Complex `(batch, frequency, frame)` of waveforms `(batch, sample)`."""
        num_samples = waveforms.shape[-1]
        missing = (
            max(0, self.fft_length - num_samples)
            if self.mirrored
            else -num_samples % self.hop_length
        )
        return torch.stft(
            functional.pad(waveforms, (0, missing)),
            self.fft_length,
            self.hop_length,
            len(self.window),
            self.window,
            pad_mode="reflect" if self.mirrored else "constant",
            return_complex=True,
        )

    def decode(self, spectra: torch.Tensor, num_samples: int) -> torch.Tensor:
        """Waveforms `(batch, sample)` of complex `(batch, frequency, frame)`."""
        return torch.istft(
            spectra,
            self.fft_length,
            self.hop_length,
            len(self.window),
            self.window,
            length=num_samples,
        )
