"""Our STFT pair against nussl's."""

import numpy as np
import nussl
import pytest
import torch

from audition.audio import stft

SETTINGS = [
    nussl.STFTParams(256, 64, "sqrt_hann"),
    nussl.STFTParams(256, 128, "hann"),
    nussl.STFTParams(512, 128, "hamming"),
    nussl.STFTParams(129, 43, "hann"),
    nussl.STFTParams(400, 100, "blackman"),
]
LENGTHS = [8000, 8001, 7937, 520]


def voiced(num_samples, num_channels=2, sample_rate=8000, seed=0):
    random = np.random.RandomState(seed)
    time = np.arange(num_samples) / sample_rate
    phase = 2 * np.pi * 140 * time + 0.3 * np.sin(2 * np.pi * 5 * time)
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    noise = random.randn(num_channels, num_samples) * 0.01
    return (0.2 * voice + noise).astype(np.float32)


def signal(num_samples, stft_params):
    return nussl.AudioSignal(
        audio_data_array=voiced(num_samples), sample_rate=8000, stft_params=stft_params
    )


@pytest.mark.parametrize("stft_params", SETTINGS)
@pytest.mark.parametrize("num_samples", LENGTHS)
def test_stft_equals_nussl(stft_params, num_samples):
    mix = signal(num_samples, stft_params)
    expected = mix.stft().transpose(2, 1, 0)
    got = stft.stft(torch.from_numpy(mix.audio_data), stft_params)
    assert got.shape == expected.shape
    assert got.is_contiguous()
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("stft_params", SETTINGS)
@pytest.mark.parametrize("num_samples", LENGTHS)
def test_istft_equals_nussl_and_inverts(stft_params, num_samples):
    mix = signal(num_samples, stft_params)
    halved = mix.stft() * np.linspace(0.2, 1, mix.stft_data.shape[0])[:, None, None]
    expected = mix.make_copy_with_stft_data(halved, verbose=False)
    expected.istft()
    spectrogram = torch.from_numpy(halved.transpose(2, 1, 0)).to(torch.complex64)
    got = stft.istft(spectrogram, num_samples, stft_params)
    np.testing.assert_allclose(got.numpy(), expected.audio_data, atol=1e-5)

    x = torch.from_numpy(mix.audio_data)
    back = stft.istft(stft.stft(x, stft_params), num_samples, stft_params)
    np.testing.assert_allclose(back.numpy(), mix.audio_data, atol=1e-5)


def test_batches_and_gradients():
    x = torch.from_numpy(voiced(4 * 999).reshape(2, 2, 2, 999)).requires_grad_()
    stft_params = SETTINGS[0]
    spectrogram = stft.stft(x, stft_params)
    assert spectrogram.shape == (2, 2, 2, stft.count_frames(999, stft_params), 129)
    stft.istft(spectrogram, 999, stft_params).sum().backward()
    torch.testing.assert_close(x.grad, torch.ones_like(x), atol=1e-4, rtol=0)


def test_float64_stays_float64():
    x = torch.from_numpy(voiced(900)).double()
    spectrogram = stft.stft(x, SETTINGS[0])
    assert spectrogram.dtype == torch.complex128
    assert stft.istft(spectrogram, 900, SETTINGS[0]).dtype == torch.float64
