"""nussl's STFT and its inverse in torch: batched, differentiable, on any device.

nussl calls scipy.signal.stft with its defaults: half a window of zeros at either end, more zeros to
fill the last frame, and a window divided by its sum. Training and evaluation both depend on these
numbers, so this is the one place that defines them.
"""

from functools import lru_cache

import numpy as np
import nussl
import torch
from torch.nn.functional import fold, pad


def stft(x: torch.Tensor, stft_params: nussl.STFTParams) -> torch.Tensor:
    """Complex spectrogram of a signal: `AudioSignal.stft()` with its axes in another order.

    Args:
        x: real tensor `(..., sample)`.
        stft_params: nussl STFTParams with a window_type, as `AudioSignal.stft_params` always has.

    Returns:
        complex tensor `(..., time, frequency)`.
    """
    length, hop, _ = stft_params
    half = length // 2
    num_frames = count_frames(x.shape[-1], stft_params)
    after = length + (num_frames - 1) * hop - half - x.shape[-1]
    frames = pad(x, (half, after)).unfold(-1, length, hop)
    window = analysis_window(stft_params, x.dtype, x.device)
    return torch.fft.rfft(frames * window)


def istft(X: torch.Tensor, num_samples: int, stft_params: nussl.STFTParams) -> torch.Tensor:
    """Waveform of a complex spectrogram, equal to `AudioSignal.istft()`.

    Args:
        X: complex tensor `(..., time, frequency)`.
        num_samples: length of the result; samples beyond the last frame are zero.

    Returns:
        real tensor `(..., sample)`.
    """
    length, hop, _ = stft_params
    num_frames, half = X.shape[-2], length // 2
    window = synthesis_window(stft_params, X.real.dtype, X.device)
    frames = (torch.fft.irfft(X, n=length) * window).reshape(-1, num_frames, length)
    x = overlap_add(frames, hop)[:, half : -half or None]
    x = x / window_energy(num_frames, stft_params, x.dtype, x.device)[half : -half or None]
    x = pad(x, (0, max(0, num_samples - x.shape[-1])))[:, :num_samples]
    return x.reshape(*X.shape[:-2], num_samples)


def count_frames(num_samples: int, stft_params: nussl.STFTParams) -> int:
    """Number of STFT frames of a signal of `num_samples` samples."""
    length, hop, _ = stft_params
    padded_samples = num_samples + 2 * (length // 2)
    return 1 + max(0, -(-(padded_samples - length) // hop))


def overlap_add(frames: torch.Tensor, hop: int) -> torch.Tensor:
    """Adds frames `(batch, time, sample of the frame)` `hop` samples apart: `(batch, sample)`."""
    num_frames, length = frames.shape[-2:]
    num_samples = length + (num_frames - 1) * hop
    sums = fold(frames.mT, (1, num_samples), (1, length), stride=(1, hop))
    return sums[:, 0, 0]


def window_energy(
    num_frames: int, stft_params: nussl.STFTParams, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Sum of the squared windows of `num_frames` frames, `(sample,)`; 1 where that is zero."""
    window = torch.as_tensor(nussl_window(stft_params), dtype=dtype, device=device)
    energy = overlap_add((window**2).expand(1, num_frames, -1), stft_params.hop_length)[0]
    return energy.where(energy > 1e-10, torch.ones_like(energy))


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # a window cached in inference must also work in training
def analysis_window(
    stft_params: nussl.STFTParams, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    window = nussl_window(stft_params)
    return torch.as_tensor(window / window.sum(), dtype=dtype, device=device)


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def synthesis_window(
    stft_params: nussl.STFTParams, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    window = nussl_window(stft_params)
    return torch.as_tensor(window * window.sum(), dtype=dtype, device=device)


def nussl_window(stft_params: nussl.STFTParams) -> np.ndarray:
    return nussl.AudioSignal.get_window(stft_params.window_type, stft_params.window_length)
