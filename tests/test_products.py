"""Inner products by one pass: as exact as sums over the signals themselves, where digits get lost, too."""

import numpy as np
import nussl
import pytest

from audition.audio import large
from audition.metrics import products
from audition.metrics.products import Products

RANDOM = np.random.default_rng(0)


def signals(audio):
    """AudioSignals of `(signal, channel, sample)`."""
    return [nussl.AudioSignal(audio_data_array=one, sample_rate=8000) for one in audio]


def centred(audio):
    return (audio - audio.mean(axis=-1, keepdims=True)).transpose(1, 0, 2)


@pytest.mark.parametrize("offset", [0.0, 1e-3, 0.7])
@pytest.mark.parametrize("num_channels", [1, 3])
def test_products_are_those_of_the_zero_mean_signals(monkeypatch, offset, num_channels):
    monkeypatch.setattr(products, "CHUNK_SAMPLES", 700)
    monkeypatch.setattr(large, "BLOCK_SAMPLES", 1000)
    audio = 1e-2 * RANDOM.normal(size=(4, num_channels, 5300)) + offset
    expected = centred(audio) @ centred(audio).transpose(0, 2, 1)
    np.testing.assert_allclose(Products(signals(audio)).gram, expected, atol=1e-14 * 5300)


@pytest.mark.parametrize("level", [1e-1, 1e-4, 1e-7, 1e-10])
def test_the_energy_of_a_small_difference_keeps_its_digits(level):
    first = RANDOM.normal(size=(2, 40_000)) + 0.1
    audio = np.stack([first, first + level * RANDOM.normal(size=first.shape)])
    weights = np.broadcast_to([[[1.0, -1.0], [0.5, 2.0]]], (2, 2, 2))
    expected = np.square(weights @ centred(audio)).sum(axis=-1)
    np.testing.assert_allclose(Products(signals(audio)).energies(weights), expected, rtol=1e-8)


def test_an_undefined_weight_harms_no_other():
    audio = RANDOM.normal(size=(2, 1, 1000))
    weights = np.array([[[np.nan, 1.0], [1.0, -1.0]]])
    undefined, difference = Products(signals(audio)).energies(weights)[0]
    assert np.isnan(undefined)
    assert difference == pytest.approx(np.square(np.diff(centred(audio), axis=1)).sum())


@pytest.mark.parametrize(
    ("audio", "is_silent"), [(0.0, True), (0.3, True), (1e-12, True), (None, False)]
)
def test_what_is_constant_is_silent(audio, is_silent):
    audio = RANDOM.normal(0.3, 1e-9, size=30_000) if audio is None else np.full(30_000, audio)
    assert Products(signals([audio[None]])).silent().all() == is_silent
