"""Features equal nussl's transforms, item by item, and nothing in them is NaN."""

import json
import pickle
from math import inf

import gin
import numpy as np
import nussl
import pytest
import torch
from nussl.datasets import transforms

from audition.audio.stft import stft
from audition.errors import ConfigError
from audition.features import (
    Features,
    SpectrogramFeatures,
    WaveformFeatures,
    description,
    features_of_model,
)
from audition.separators import MaskEstimation, WaveformEstimation
from tests.support import voices

STFT_PARAMS = nussl.STFTParams(256, 64, "sqrt_hann")
SAMPLE_RATE = 8000


def make_batch(batch=2, num_sources=2, num_channels=1, num_samples=3000, noise=0.0, seed=0):
    random = torch.Generator().manual_seed(seed)
    sources = torch.randn(batch, num_sources, num_channels, num_samples, generator=random) / 10
    extra = torch.randn(batch, num_channels, num_samples, generator=random) * noise
    return {"mix": sources.sum(1) + extra, "sources": sources, "index": torch.arange(batch)}


def by_nussl(features, batch, stft_params=STFT_PARAMS):
    """The features' own nussl transform, item by item, stacked."""
    items = []
    for mix, sources in zip(batch["mix"], batch["sources"], strict=True):
        signals = [
            nussl.AudioSignal(
                audio_data_array=x.numpy(), sample_rate=SAMPLE_RATE, stft_params=stft_params
            )
            for x in (mix, *sources)
        ]
        names = [f"source {k}" for k in range(len(sources))]
        data = {"mix": signals[0], "sources": dict(zip(names, signals[1:], strict=True))}
        items.append(features.nussl_transform()(data))
    return {key: torch.stack([item[key] for item in items]) for key in items[0]}


def assert_close(ours, theirs):
    assert ours.shape == theirs.shape and ours.dtype == torch.float32
    assert (ours - theirs).abs().max() <= 1e-5 * max(theirs.abs().max(), 1e-9)


def assert_same_features(features, batch, stft_params=STFT_PARAMS):
    ours, theirs = features(batch), by_nussl(features, batch, stft_params)
    assert set(ours) == set(theirs)
    for key in set(ours) - {"ideal_binary_mask"}:
        assert_close(ours[key], theirs[key])
        assert ours[key].is_contiguous()
    assert ours["ideal_binary_mask"].shape == theirs["ideal_binary_mask"].shape
    clear = gap_to_the_second(theirs["source_magnitudes"])
    differing = ours["ideal_binary_mask"] != theirs["ideal_binary_mask"]
    assert not (differing & clear[..., None]).any()
    assert differing.float().mean() < 0.02


def gap_to_the_second(magnitudes):
    """Bins where no rounding error can change which source is greatest."""
    first, second = magnitudes.topk(2, dim=-1).values.unbind(-1)
    return first - second > 1e-5 * magnitudes.max()


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("num_sources", [2, 4])
@pytest.mark.parametrize("approximation", ["phase_sensitive", "magnitude"])
def test_numbers_of_nussl(approximation, num_sources, num_channels):
    batch = make_batch(num_sources=num_sources, num_channels=num_channels)
    assert_same_features(SpectrogramFeatures(STFT_PARAMS, approximation), batch)


@pytest.mark.parametrize(
    "range_min, range_max", [(-inf, inf), (-inf, 1.0), (0.0, 2.0), (-1.0, inf)]
)
def test_truncation_of_nussl(range_min, range_max):
    features = SpectrogramFeatures(STFT_PARAMS, range_min=range_min, range_max=range_max)
    assert_same_features(features, make_batch(noise=0.05))


@pytest.mark.parametrize("num_samples", [2560, 2561, 2623])
@pytest.mark.parametrize(
    "params", [(256, 64, "hann"), (512, 128, "sqrt_hann"), (400, 100, "hamming")]
)
def test_stft_params_and_lengths_of_nussl(params, num_samples):
    params = nussl.STFTParams(*params)
    batch = make_batch(num_samples=num_samples)
    assert_same_features(SpectrogramFeatures(params), batch, params)


def test_a_batch_equals_its_items():
    features, batch = SpectrogramFeatures(STFT_PARAMS), make_batch(batch=5, noise=0.05)
    together = features(batch)
    for b in range(5):
        alone = features({key: value[b : b + 1] for key, value in batch.items()})
        for key, value in together.items():
            torch.testing.assert_close(value[b : b + 1], alone[key], atol=1e-7, rtol=1e-5)


def test_shapes():
    features = SpectrogramFeatures(STFT_PARAMS)(make_batch(3, 4, 2))
    assert features["mix_magnitude"].shape == features["weights"].shape == (3, 48, 129, 2)
    assert features["source_magnitudes"].shape == (3, 48, 129, 2, 4)
    assert features["ideal_binary_mask"].shape == (3, 48, 129, 2, 4)


def test_a_shared_bin_belongs_to_nobody():
    batch = make_batch(num_sources=3)
    batch["sources"][:, 1] = batch["sources"][:, 0]
    ours = SpectrogramFeatures(STFT_PARAMS, "magnitude")(batch)["ideal_binary_mask"]
    assert not ours[..., :2].any() and 0.4 < ours[..., 2].mean() < 0.6
    theirs = transforms.compute_ideal_binary_mask(np.array([[1.0, 1.0], [2.0, 1.0], [1.0, 3.0]]))
    np.testing.assert_array_equal(theirs, [[0, 0], [1, 0], [0, 1]])


@pytest.mark.parametrize("range_max", [1.0, inf])
@pytest.mark.parametrize("approximation", ["phase_sensitive", "magnitude"])
def test_silence_is_no_nan(approximation, range_max):
    batch = make_batch()
    batch["mix"][0], batch["sources"][0], batch["sources"][1, 1] = 0, 0, 0
    features = SpectrogramFeatures(STFT_PARAMS, approximation, range_max=range_max)(batch)
    assert all(value.isfinite().all() for value in features.values())
    assert not features["ideal_binary_mask"][0].any() and not features["weights"][0].any()


def test_one_source():
    batch = make_batch(num_sources=1, noise=0.05)
    features = SpectrogramFeatures(STFT_PARAMS)(batch)
    assert (features["ideal_binary_mask"] == 1).all()


def test_a_mix_alone_and_no_weights():
    batch = make_batch()
    assert set(SpectrogramFeatures(STFT_PARAMS)({"mix": batch["mix"]})) == {"mix_magnitude"}
    features = SpectrogramFeatures(STFT_PARAMS, weights=False)
    assert "weights" not in features(batch) and "weights" not in by_nussl(features, batch)


def test_the_batch_is_not_changed():
    batch = make_batch()
    before = {key: value.clone() for key, value in batch.items()}
    SpectrogramFeatures(STFT_PARAMS)(batch)
    assert all(torch.equal(batch[key], before[key]) for key in batch)


@pytest.mark.parametrize("params", [(256, 64, "hann"), (255, 64, "hann"), (512, 256, "hann")])
def test_num_samples_gives_num_frames(params):
    features = SpectrogramFeatures(nussl.STFTParams(*params))
    for num_frames in (10, 200):
        x = torch.zeros(features.num_samples(num_frames) + 1)
        assert features.stft(x[:-1]).shape[0] == num_frames
        assert features.stft(x).shape[0] == num_frames + 1


def test_stft_is_nussl_s():
    features, x = SpectrogramFeatures(STFT_PARAMS), torch.randn(2, 3000)
    signal = nussl.AudioSignal(
        audio_data_array=x.numpy(), sample_rate=SAMPLE_RATE, stft_params=STFT_PARAMS
    )
    X = features.stft(x)
    np.testing.assert_allclose(X.numpy(), signal.stft().transpose(2, 1, 0), atol=1e-6)


def test_waveforms():
    features, batch = WaveformFeatures(), make_batch(num_channels=2)
    ours, theirs = features(batch), by_nussl(features, batch)
    assert set(ours) == set(theirs) == {"mix_audio", "source_audio"}
    for key in ours:
        assert torch.equal(ours[key], theirs[key])
    assert ours["source_audio"].shape == (2, 2, 3000, 2)


def test_features_pickle():
    features = pickle.loads(pickle.dumps(SpectrogramFeatures(STFT_PARAMS)))
    batch = make_batch()
    torch.testing.assert_close(features(batch), SpectrogramFeatures(STFT_PARAMS)(batch))


def test_default_window():
    assert SpectrogramFeatures(nussl.STFTParams(256, 64)).stft_params.window_type == "sqrt_hann"


def test_mistakes():
    with pytest.raises(
        ConfigError, match="SpectrogramFeatures.approximation = 'phase' must be one of"
    ):
        SpectrogramFeatures(STFT_PARAMS, "phase")
    with pytest.raises(ConfigError, match="bind STFTParams.window_length"):
        SpectrogramFeatures(nussl.STFTParams())


def again(features):
    """The features made of what a model file says of `features`."""
    described = json.loads(json.dumps(description(features)))
    return features_of_model({"features": described}, model=None, path="a.pth")


@pytest.mark.parametrize(
    "features",
    [
        SpectrogramFeatures(STFT_PARAMS),
        SpectrogramFeatures(nussl.STFTParams(512, 128), "magnitude", -inf, inf, weights=False),
        WaveformFeatures(),
    ],
    ids=["defaults", "all else", "waveforms"],
)
def test_features_are_made_again_of_what_a_model_file_says(features):
    batch = make_batch()
    rebuilt = again(features)
    assert type(rebuilt) is type(features) and vars(rebuilt) == vars(features)
    given, made = features(batch), rebuilt(batch)
    assert set(given) == set(made)
    assert all(torch.equal(given[key], made[key]) for key in given)


def test_bindings_do_not_reach_features_that_are_made_again():
    with gin.unlock_config():
        gin.bind_parameter("SpectrogramFeatures.range_max", 7.0)
    described = description(SpectrogramFeatures(STFT_PARAMS))
    del described["settings"]["range_max"]  # as a file of before there was this argument
    assert features_of_model({"features": described}, None, "a.pth").range_max == 1.0


def test_features_without_an_entry_of_their_own():
    with pytest.raises(ConfigError, match=r"NoLine, which separation .* write @gin.register"):
        description(type("NoLine", (Features,), {})())


@gin.register
class Forgetful(Features):
    def __init__(self, size):
        self.number = size


@gin.register
class NotPlain(Features):
    def __init__(self, filters):
        self.filters = filters


def test_settings_that_separation_could_not_use():
    with pytest.raises(ConfigError, match="'size', .* write `self.size = size` in its __init__"):
        description(Forgetful(3))
    with pytest.raises(ConfigError, match="NotPlain's settings can't be written .* as JSON"):
        description(NotPlain(torch.zeros(3)))
    with pytest.raises(NotImplementedError, match="Forgetful has no __call__"):
        Forgetful(3)({})
    with pytest.raises(ConfigError, match="Forgetful has no frames; bind train.excerpt_seconds"):
        Forgetful(3).num_samples(10)


def test_what_a_model_file_says_that_is_not_there_today():
    def read(name, **settings):
        return features_of_model({"features": {"class": name, "settings": settings}}, None, "a.pth")

    with pytest.raises(ConfigError, match="'Mine', and no registered classes .* write `import …`"):
        read("Mine")
    with pytest.raises(ConfigError, match="'RemixStems', and no registered"):
        read("RemixStems")  # no Features: a file must not build what it likes
    with pytest.raises(
        ConfigError, match="which it doesn't accept .*: go back to the class as it was"
    ):
        read("WaveformFeatures", rate=3)


def test_files_of_version_0_1_have_their_input_to_the_bit(tmp_path):
    mix = make_batch(num_channels=2)["mix"]
    masks = MaskEstimation(voices.save_network(tmp_path / "a.pth", "mask", num_channels=2))
    masks.load()
    magnitude = stft(mix, voices.STFT_PARAMS).abs().permute(0, 2, 3, 1)
    assert torch.equal(masks.features({"mix": mix})["mix_magnitude"], magnitude)
    waveforms = WaveformEstimation(voices.save_network(tmp_path / "b.pth", "audio"))
    waveforms.load()
    assert torch.equal(waveforms.features({"mix": mix})["mix_audio"], mix)


def test_an_input_that_no_file_explains(tmp_path):
    masks = MaskEstimation(voices.save_network(tmp_path / "a.pth", "mask"))
    masks.load()
    masks.model.input = {"pitch": "pitch"}
    with pytest.raises(ConfigError, match="a.pth doesn't say what makes the input pitch"):
        features_of_model({}, masks.model, "a.pth")
