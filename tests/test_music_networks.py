"""Networks for music: channels, bands, the Wiener filter, and what a network hears before it trains."""

import copy

import numpy as np
import pytest
import torch

from audition import weights
from audition.errors import ConfigError
from audition.losses import MagnitudeMSELoss
from audition.models import BSRNN, XUMX, BSRoFormer, MelBandRoFormer, OpenUnmix, bands
from audition.models.rotary_attention import Attention, rotated
from audition.models.spectra import Spectra
from audition.models.wiener import wiener_filtered
from audition.runs.folder import Run
from tests.support import corpora, road, training

STEREO = {"num_sources": 2, "num_channels": 2, "window_length": 64, "hop_length": 16}
BANDS = {**STEREO, "num_features": 8, "num_repeats": 1, "mask_hidden_size": 8}
MAKERS = {
    "bsrnn": lambda: BSRNN(**BANDS, hidden_size=8),
    "bs_roformer": lambda: BSRoFormer(**BANDS, band_widths=[1] * 17 + [16]),
    "mel_band_roformer": lambda: MelBandRoFormer(**BANDS, num_bands=8, sample_rate=8000),
    "open_unmix": lambda: OpenUnmix(**STEREO, hidden_size=8, wiener_iterations=0),
    "x-umx": lambda: XUMX(**STEREO, hidden_size=8, wiener_iterations=0),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_network_of_two_channels_hears_both_and_takes_one(make):
    torch.manual_seed(0)
    network = make().eval()
    mix = torch.randn(2, 2, 500)
    with torch.no_grad():
        other = network(mix * torch.tensor([1.0, 0.5]).unsqueeze(-1))
        left = network(mix)[:, :, 0]
        assert not torch.allclose(other[:, :, 0], left, atol=1e-4)
        alone = network(mix[:, :1])
        twice = network(mix[:, :1].expand(-1, 2, -1))
    torch.testing.assert_close(alone, twice.mean(dim=2, keepdim=True))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_it_learns_in_half_precision(make):
    network = make()
    mix = torch.randn(2, 2, 500)
    with torch.autocast("cpu", torch.bfloat16):
        network(mix).square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in network.parameters())


def test_mirrored_spectra_are_inverted_exactly():
    spectra, signals = Spectra(64, 16, window="hann", mirrored=True), torch.randn(3, 333)
    assert spectra.encode(signals).shape == (3, 33, 21)
    found = spectra.decode(spectra.encode(signals), 333)
    torch.testing.assert_close(found, signals, atol=1e-5, rtol=1e-5)
    short = spectra.decode(spectra.encode(signals[:, :5]), 5)
    torch.testing.assert_close(short, signals[:, :5], atol=1e-5, rtol=1e-5)


def test_bands_of_bsrnn_are_those_of_its_paper():
    found = bands.of_hertz(bands.V7, 44100, 1025)
    widths = [len(band) for band in found]
    assert widths == [4] * 10 + [11] * 12 + [23] * 8 + [46] * 8 + [92] * 2 + [1025 - 908]
    assert [frequency for band in found for frequency in band] == list(range(1025))
    low = bands.of_hertz(bands.V7, 8000, 257)
    assert [frequency for band in low for frequency in band] == list(range(257))


def test_mel_bands_cover_all_frequencies_and_overlap():
    found = bands.of_mels(60, 44100, 2048)
    counts = np.bincount([frequency for band in found for frequency in band])
    assert len(found) == 60 and len(counts) == 1025
    assert set(counts) == {1, 2}


def test_masks_of_overlapping_bands_are_averaged():
    network = MelBandRoFormer(**BANDS, num_bands=8, sample_rate=8000).eval()
    for estimator in network.masks:
        for band in estimator.bands:
            last = band[1][-1]
            last.weight.data.zero_()
            half = len(last.bias) // 2
            last.bias.data[:half] = torch.tensor([1.0, 0.0]).repeat(half // 2)
            last.bias.data[half:] = 100.0  # open gates
    mix = torch.randn(1, 2, 500)
    with torch.no_grad():
        torch.testing.assert_close(network(mix)[:, 0], mix, atol=1e-5, rtol=1e-5)


def test_band_widths_must_fit_the_window():
    sentence = "band_widths sum to 1025 frequencies, but a window of 512 samples has 257: give"
    with pytest.raises(ConfigError, match=sentence):
        BSRoFormer(window_length=512)


def test_empty_mel_bands_are_told():
    with (
        pytest.warns(UserWarning, match="Empty filters"),
        pytest.raises(ConfigError, match="num_bands = 60 leaves bands without a frequency: lower"),
    ):
        MelBandRoFormer(window_length=64, sample_rate=8000)


def test_rotation_makes_attention_relative():
    """The product of a query and a key depends on how far apart they are."""
    query, key = torch.randn(2, 1, 8)
    queries, keys = rotated(query.expand(10, 8)), rotated(key.expand(10, 8))
    products = queries @ keys.T
    for offset in range(-9, 10):
        diagonal = products.diagonal(offset)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert not torch.allclose(products[0], products[0, :1].expand(10), atol=1e-2)


def test_attention_drops_out_only_in_training():
    attention, x = Attention(8, 2, 4, dropout=0.5), torch.randn(1, 20, 8)
    assert torch.equal(attention.eval()(x), attention(x))
    assert not torch.equal(attention.train()(x), attention(x))


def sources_and_mix(num_frames=50, num_channels=2):
    """Magnitudes and mix of two sources, each from its own direction."""
    torch.manual_seed(0)
    sources = torch.randn(1, 2, 1, 33, num_frames, dtype=torch.complex64)
    gains = torch.tensor([[1.0, 0.2], [0.3, 1.0]])[None, :, :num_channels, None, None]
    return (sources * gains).abs(), (sources * gains).sum(dim=1), sources * gains


def test_the_wiener_filter_refines_and_keeps_the_sum():
    magnitudes, mix, sources = sources_and_mix()
    errors = [
        (wiener_filtered(magnitudes, mix, iterations) - sources).abs().square().mean()
        for iterations in (0, 1, 3)
    ]
    assert errors[0] > errors[1] > errors[2]
    filtered = wiener_filtered(magnitudes, mix, 1)
    torch.testing.assert_close(filtered.sum(dim=1), mix, atol=1e-3, rtol=1e-3)


def test_the_wiener_filter_takes_channels_that_are_the_same():
    """In single precision, Open-Unmix's has no inverse here."""
    magnitudes, mix, _ = sources_and_mix(num_channels=1)
    magnitudes, mix = 100 * magnitudes.expand(-1, -1, 2, -1, -1), 100 * mix.expand(-1, 2, -1, -1)
    filtered = wiener_filtered(magnitudes, mix, 2)
    assert filtered.isfinite().all()
    torch.testing.assert_close(filtered.sum(dim=1), mix, atol=1e-2, rtol=1e-3)


def test_windows_of_the_wiener_filter_are_filtered_by_themselves():
    magnitudes, mix, _ = sources_and_mix()
    found = wiener_filtered(magnitudes, mix, 1, window=20)
    last = wiener_filtered(magnitudes[..., 40:], mix[..., 40:], 1)
    torch.testing.assert_close(found[..., 40:], last)
    assert not torch.allclose(found, wiener_filtered(magnitudes, mix, 1), atol=1e-3)


def test_the_wiener_filter_of_silence_is_silence():
    silence = torch.zeros(1, 2, 33, 5, dtype=torch.complex64)
    assert not wiener_filtered(
        silence.abs().unsqueeze(1).expand(-1, 2, -1, -1, -1), silence, 1
    ).any()


def test_with_a_residual_the_last_source_is_what_the_others_leave():
    network = OpenUnmix(**STEREO, hidden_size=8, residual=True)
    assert len(network.targets) == 1
    mix = torch.randn(2, 2, 500)
    torch.testing.assert_close(network(mix).sum(dim=1), mix, atol=1e-4, rtol=1e-4)


def test_in_training_estimates_have_the_phase_of_the_mixture():
    network = OpenUnmix(**{**STEREO, "num_sources": 1}, hidden_size=8, wiener_iterations=1)
    spectra = torch.randn(1, 2, 33, 9, dtype=torch.complex64)
    ratio = network.train().separate(spectra)[:, 0] / spectra
    assert ratio.imag.abs().max() < 1e-5 and ratio.real.min() > -1e-5


def test_what_open_unmix_hears_has_no_mean_and_a_deviation_of_one():
    network = OpenUnmix(**STEREO, hidden_size=8, num_heard_excerpts=6)
    mixes = [torch.randn(4, 2, 500), 3 * torch.randn(4, 2, 500), None]
    network.hear(mixes)  # which takes no third batch
    heard = torch.cat([mixes[0], mixes[1][:2]])
    magnitudes = network.analysed(heard).abs().mean(dim=1).transpose(1, 2).flatten(0, 1)
    target = network.targets[1]
    found = (magnitudes[:, : target.num_heard] + target.input_shift) * target.input_scale
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(target.num_heard), atol=1e-4, rtol=0)
    deviation = found.std(dim=0, correction=0)
    torch.testing.assert_close(deviation, torch.ones(target.num_heard), atol=1e-4, rtol=0)


def test_a_frequency_that_is_never_there_is_not_blown_up():
    network = OpenUnmix(**STEREO, hidden_size=8)
    network.hear([torch.zeros(1, 2, 500)])
    assert all(target.input_scale.isfinite().all() for target in network.targets)


RECIPE = (
    "toy/exp/waveform.gin",
    "train.model_config = None",
    "train.model = @OpenUnmix()",
    "OpenUnmix.num_sources = 2",
    "OpenUnmix.num_channels = 1",
    "OpenUnmix.window_length = 128",
    "OpenUnmix.hop_length = 32",
    "OpenUnmix.hidden_size = 8",
    "OpenUnmix.sample_rate = 8000",
    "OpenUnmix.num_heard_excerpts = 5",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.25",
    "train.handlers = []",
    "train.num_epochs = 1",
    "train.epoch_length = 2",
    "train.batch_size = 2",
    "torch.optim.Adam.lr = 1e-9",
)


def first_target(run):
    model, _ = weights.load(run.checkpoints / "latest.model.pth")
    return copy.deepcopy(next(m for m in model.modules() if isinstance(m, OpenUnmix)).targets[0])


def test_a_training_begins_with_what_its_network_heard(instantiate):
    (run,) = instantiate(*RECIPE)
    _, other = instantiate(*RECIPE)
    road.call("train", run.config)
    road.call("train", other.config, "train.num_epochs = 2")
    assert first_target(run).input_shift.max() < 0  # magnitudes have means above 0
    road.call("resume", run.config, "train.num_epochs = 2")
    training.assert_same(training.state(run)["model"], training.state(other)["model"])


def test_a_training_that_continues_from_weights_hears_nothing(instantiate):
    (run,) = instantiate(*RECIPE)
    road.call("train", run.config)
    _, after = instantiate(*RECIPE, "train.seed = 1", f"train.init_from = '{run.folder}'")
    road.call("train", after.config)
    torch.testing.assert_close(first_target(after).input_shift, first_target(run).input_shift)


def test_the_loss_of_open_unmix_compares_magnitudes():
    sources = torch.randn(2, 2, 900, 3)  # (batch, channel, sample, source)
    loss = MagnitudeMSELoss(window_length=64, hop_length=16)
    assert loss(-sources, sources) < 1e-8  # it doesn't hear the phase
    spectra = Spectra(64, 16, window="hann", mirrored=True)
    signals = sources.movedim(-1, 1).flatten(0, 2)
    expected = spectra.encode(signals).abs().square().mean() / 4
    torch.testing.assert_close(loss(sources / 2, sources), expected, atol=1e-4, rtol=1e-4)


RECIPES = {
    "open_unmix": ("OpenUnmix.hidden_size = 8", "OpenUnmix.num_layers = 1"),
    "bs_roformer": (
        "BSRoFormer.num_features = 8",
        "BSRoFormer.num_repeats = 1",
        "BSRoFormer.mask_hidden_size = 8",
        "train.mixed_precision = None",
    ),
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_for_music_trains_on_prepared_songs(recipe, tmp_path):
    songs = corpora.write_musdb(tmp_path / "musdb18", ("Ann - One", "Ben - Two", "Cleo - Three"))
    places = [f"MUSDB_ROOT = '{songs}'", f"MUSDB_PREPARED = '{tmp_path / 'prepared'}'"]
    env = ["musdb/env.example.gin", *places, f"CACHE_ROOT = '{tmp_path / 'cache'}'"]
    titles = "prepare_musdb.validation_titles = ['Cleo *']"
    workers = "prepare_musdb.num_workers = 0"
    road.call("prepare_musdb", *env, "musdb/prepare_44k.gin", titles, workers)
    run = Run(tmp_path / "out" / "run0")
    short = ["train.epoch_length = 2", "train.num_epochs = 1", "train.batch_size = 2"]
    short += ["train.excerpt_seconds = 0.1", "train.num_data_workers = 0", "train.num_threads = 1"]
    out = f"instantiate.output_folder = '{run.folder.parent}'"
    files = ["musdb/musdb44k.gin", f"musdb/exp/{recipe}.gin"]
    road.call("instantiate", *env, *files, *RECIPES[recipe], *short, out)
    road.call("train", run.config)
    _, metadata = weights.load(run.best_model)
    assert metadata["source_names"] == ["bass", "drums", "other", "vocals"]
    assert (metadata["sample_rate"], metadata["num_channels"]) == (44100, 2)
