"""Networks from waveforms to waveforms: what goes in comes out, and the road from .gin to scores."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from audition.errors import ConfigError
from audition.files import read_json
from audition.models import (
    BSRNN,
    DCCRN,
    XUMX,
    BSRoFormer,
    ConvTasNet,
    DCUNet,
    DPRNNTasNet,
    DPTNet,
    LSTMTasNet,
    MelBandRoFormer,
    OpenUnmix,
    SepFormer,
    SuDoRMRF,
    TFGridNet,
    waveform_network,
)
from audition.models.filterbanks import filterbank
from audition.models.waveform import WaveformNetwork, config_of
from audition.separators import WaveformEstimation
from audition.training.step import precision
from tests.support import road, training

SMALL = {"num_filters": 16, "num_repeats": 1}
SMALL_TRANSFORMER = {"bottleneck_channels": 16, "num_layers": 1, "feed_forward_size": 32}
SMALL_SUDO = {"num_blocks": 1, "bottleneck_channels": 8}
SMALL_DCCRN = {"architecture": "mini", "window_length": 20, "hop_length": 5, "fft_length": 32}
SMALL_GRID = {"window_length": 16, "hop_length": 8, "channels": 8, "num_blocks": 1}
SMALL_SPECTRA = {"num_channels": 1, "window_length": 64, "hop_length": 16}
SMALL_BANDS = {**SMALL_SPECTRA, "num_features": 8, "num_repeats": 1, "mask_hidden_size": 8}
NETWORKS = {
    "conv_tasnet": partial(ConvTasNet, **SMALL, num_blocks=2),
    "tdcn++": partial(ConvTasNet, **SMALL, num_blocks=2, plus_plus=True, norm="fgLN"),
    "dprnn": partial(DPRNNTasNet, **SMALL, chunk_size=20, hidden_size=8),
    "dptnet": partial(DPTNet, **SMALL, chunk_size=20, hidden_size=8),
    "sepformer": partial(SepFormer, **SMALL, **SMALL_TRANSFORMER, chunk_size=20),
    "lstm_tasnet": partial(LSTMTasNet, num_filters=16, hidden_size=8, num_layers=2),
    "sudo_rm_rf": partial(SuDoRMRF, num_filters=15, **SMALL_SUDO),
    "sudo_rm_rf_improved": partial(SuDoRMRF, num_filters=16, **SMALL_SUDO, improved=True),
    "dcunet": partial(DCUNet, architecture="mini", window_length=32, hop_length=8),
    "dccrn": partial(DCCRN, **SMALL_DCCRN),
    "tf_gridnet": partial(TFGridNet, **SMALL_GRID, hidden_size=8),
    "bsrnn": partial(BSRNN, **SMALL_BANDS, hidden_size=8, sample_rate=8000),
    "bs_roformer": partial(BSRoFormer, **SMALL_BANDS, band_widths=[1] * 17 + [16]),
    "mel_band_roformer": partial(MelBandRoFormer, **SMALL_BANDS, num_bands=8, sample_rate=8000),
    "open_unmix": partial(OpenUnmix, **SMALL_SPECTRA, hidden_size=8),
    "x-umx": partial(XUMX, **SMALL_SPECTRA, hidden_size=8),
}
RECIPE = (
    "toy/exp/waveform.gin",
    "train.model_config = None",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.5",
    "train.handlers = []",
    "train.num_epochs = 1",
    "train.epoch_length = 3",
    "train.batch_size = 2",
    "ConvTasNet.num_blocks = 2",
)
CLIPPED = (
    "train.handlers = [@add_autoclip_gradient_handler]",
    "add_autoclip_gradient_handler.clip_percentile = 50",
)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("num_samples", [1, 15, 16, 17, 801])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_any_length_and_channels_come_out_as_they_went_in(make, num_samples, num_channels):
    network = make(num_sources=3).eval()
    mixes = torch.randn(2, num_channels, num_samples)
    with torch.no_grad():
        estimates = network(mixes)
        assert estimates.shape == (2, 3, num_channels, num_samples)
        assert estimates.isfinite().all()
        alone = network(mixes[:1, -1:])
    torch.testing.assert_close(estimates[:1, :, -1:], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["cLN", "cgLN", "BN"])
@pytest.mark.parametrize(
    "make",
    [
        partial(ConvTasNet, **SMALL, num_blocks=3),
        partial(LSTMTasNet, num_filters=16, hidden_size=8),
    ],
    ids=["conv_tasnet", "lstm_tasnet"],
)
def test_a_causal_network_does_not_look_ahead(make, norm):
    network = make(causal=True, norm=norm).eval()
    mix = torch.randn(1, 1, 800)
    changed = mix.clone()
    changed[..., 500:] = 0
    with torch.no_grad():
        same = network(mix)[..., : 500 - 16] == network(changed)[..., : 500 - 16]
    assert same.all()


@pytest.mark.parametrize("network", [ConvTasNet, LSTMTasNet])
def test_a_norm_that_looks_ahead_is_refused_in_a_causal_network(network):
    with pytest.raises(ConfigError, match="norm = 'gLN' looks at the whole signal, so the network"):
        network(causal=True)


def test_heads_must_share_the_channels():
    with pytest.raises(
        ConfigError, match="num_filters = 10 can't be shared by num_heads = 4: bind"
    ):
        DPTNet(num_filters=10, num_heads=4)
    with pytest.raises(ConfigError, match="bottleneck_channels = 12 can't be shared by num_heads"):
        SepFormer(bottleneck_channels=12)


@pytest.mark.parametrize("name", ["stft", "stft_magnitude"])
def test_the_stft_as_a_filterbank_is_inverted_exactly(name):
    bank = filterbank(name, 0, 64, 16, 8000)
    x = torch.randn(3, 1, 64 + 16 * 20)
    frames = bank.encode(x)
    assert frames.shape == bank.heard(frames).shape == (3, bank.num_filters, 21 + 2 * 3)
    assert not bank.heard(frames).is_complex()
    torch.testing.assert_close(bank.decode(frames), x, atol=1e-5, rtol=1e-4)
    estimates = ConvTasNet(2, **SMALL, num_blocks=1, kernel_size=64, stride=16, filters=name)
    assert estimates(x).shape == (3, 2, 1, x.shape[-1])


@pytest.mark.parametrize(
    "name", ["free", "analytic_free", "param_sinc", "mel_gram", "multiphase_gammatone"]
)
def test_a_network_takes_any_filterbank(name):
    if name != "free":
        pytest.importorskip(
            "asteroid_filterbanks", reason="needs pip install --no-deps -r requirements-peers.txt"
        )
    sizes = {"num_filters": 48, "kernel_size": 64, "stride": 32}
    network = ConvTasNet(2, num_blocks=1, num_repeats=1, filters=name, **sizes)
    estimates = network(torch.randn(3, 1, 777))
    assert estimates.shape == (3, 2, 1, 777)
    estimates.square().mean().backward()
    assert estimates.isfinite().all()


@pytest.mark.parametrize("name", ["stft", "stft_magnitude"])
def test_masks_do_not_blow_up_the_ends(name):
    """A sample in the foot of a single window would be divided by next to nothing."""
    bank = filterbank(name, 0, 64, 16, 8000)
    frames = bank.encode(torch.randn(3, 1, 64 + 16 * 20))
    masked = bank.decode(frames * torch.rand(frames.shape)).abs()
    assert masked[..., :64].max() < 2 * masked[..., 64:-64].max()


@pytest.mark.parametrize("name", ["stft", "stft_magnitude"])
def test_an_stft_has_no_gate(name):
    network = LSTMTasNet(2, kernel_size=64, stride=32, hidden_size=8, num_layers=1, filters=name)
    assert network(torch.randn(1, 1, 777)).shape == (1, 2, 1, 777)
    assert not any("gate" in one for one, _ in network.named_modules())


def test_windows_that_cannot_be_undone_are_told():
    with pytest.raises(ConfigError, match="window_length = 64 must be at least twice hop_length"):
        DCUNet(window_length=64, hop_length=33)
    with pytest.raises(ConfigError, match="and at most fft_length = 32; bind others"):
        DCCRN(window_length=64, hop_length=16, fft_length=32)


@pytest.mark.parametrize("network", [DCUNet, DCCRN])
def test_an_unknown_architecture_is_named(network):
    with pytest.raises(
        ConfigError, match=f"{network.__name__}.architecture = 'huge' is none of DC"
    ):
        network(architecture="huge")


def test_an_unknown_filterbank_is_named():
    with pytest.raises(
        ConfigError, match="filterbank = 'wavelet' is none of free, stft, stft_magnitude"
    ):
        filterbank("wavelet", 8, 16, 8, 8000)


@waveform_network
class Scaled(nn.Module):
    """A user's network: the mixture times a learned gain per source."""

    def __init__(self, num_sources=2, gain=0.5):
        super().__init__()
        self.gains = nn.Parameter(torch.full((num_sources, 1, 1), gain))

    def forward(self, mix):
        return mix.unsqueeze(1) * self.gains


def test_the_config_holds_name_and_arguments():
    config = config_of(Scaled(num_sources=3))
    network = config["modules"]["audio"]["args"]["network"]
    assert network == {"class": "Scaled", "args": {"num_sources": 3, "gain": 0.5}}
    made = WaveformNetwork(network)
    assert made(torch.ones(1, 2, 10)).shape == (1, 2, 10, 3)


def test_a_network_that_is_not_registered_is_told():
    with pytest.raises(ConfigError, match="@Identity.. can't be saved: decorate its class with"):
        config_of(nn.Identity())


def test_one_trains_is_evaluated_and_separates_as_it_did(instantiate):
    (run,) = instantiate(*RECIPE)
    road.call("all", run.config)
    assert len(list(run.results.glob("*.json"))) == 4
    separator = WaveformEstimation().located(run.folder)
    metadata = separator.load()
    assert metadata["source_names"] == ["s1", "s2"]
    mix = np.random.default_rng(0).normal(size=(1, 1, 4000)).astype(np.float32)
    (found,) = separator.run_network(mix, torch.device("cpu"))
    assert found["audio"].shape == (1, 4000, 2)
    road.call("resume", run.config, "train.num_epochs = 2")
    assert read_json(run.progress)["epoch"] == 2


def test_a_complex_network_resumes_bit_for_bit(instantiate):
    network = (
        "architecture = 'mini'",
        "window_length = 200",
        "fft_length = 256",
        "hidden_size = 8",
    )
    bindings = ["train.model = @DCCRN()", *(f"DCCRN.{setting}" for setting in network)]
    recipe = (*RECIPE[:-1], *bindings, "train.num_epochs = 2", *CLIPPED)
    once, twice = instantiate(*recipe, "sweep.parameters = {'train.num_data_workers': [0, 0]}")
    road.call("train", once.config)
    road.call("train", twice.config, "train.num_epochs = 1")
    road.call("resume", twice.config)
    training.assert_same(training.state(once), training.state(twice))
    assert once.best_model.read_bytes() == twice.best_model.read_bytes()


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_mixed_precision(make):
    network, mixes = make(num_sources=2), torch.randn(2, 1, 400)
    with precision(mixes.device, torch.bfloat16):
        estimates = network(mixes)
    estimates.float().square().mean().backward()
    gradients = [one.grad for one in network.parameters() if one.grad is not None]
    assert gradients and all(one.isfinite().all() for one in gradients)


def test_a_seed_gives_the_same_weights(instantiate):
    runs = instantiate(*RECIPE, "sweep.parameters = {'train.num_data_workers': [0, 0]}")
    for run in runs:
        road.call("train", run.config)
    training.assert_same(*(training.state(run)["model"] for run in runs))


@pytest.mark.parametrize("model", ["@ConvTasNet()", "None"])
def test_one_network_must_be_bound(instantiate, capsys, model):
    config = "train.model_config = None" if model == "None" else "train.seed = 0"
    (run,) = instantiate("train.seed = 0")
    sentence = training.told(capsys, "train", run.config, f"train.model = {model}", config)
    assert "Bind one of train.model_config, such as @build_recurrent_chimera()" in sentence
