"""Any network of asteroid by its name: what it gives is asteroid's, and its model file is data."""

import nussl
import pytest
import torch

from audition import weights
from audition.errors import ConfigError
from audition.models import AsteroidNetwork
from audition.models.asteroid_network import NETWORKS
from audition.models.waveform import config_of
from audition.separators import WaveformEstimation
from tests.support import road

asteroid = pytest.importorskip(
    "asteroid.models", reason="needs pip install --no-deps -r requirements-peers.txt"
)

TASNET = {"n_src": 2, "n_filters": 16}
BLOCKS = {"n_repeats": 1, "bn_chan": 8, "hid_size": 8, "chunk_size": 20}
ARGUMENTS = {
    "ConvTasNet": {**TASNET, "n_blocks": 2, "n_repeats": 1, "hid_chan": 8, "bn_chan": 8},
    "DCCRNet": {"architecture": "DCCRN-CL", "n_src": 2},
    "DCUNet": {
        "fix_length_mode": "pad",
        "architecture": "DCUNet-10",
        "n_src": 2,
        "stft_n_filters": 256,
        "stft_kernel_size": 256,
        "stft_stride": 64,
    },
    "DeMask": {"hidden_dims": [16], "n_filters": 64, "kernel_size": 64, "stride": 32},
    "DPRNNTasNet": {**TASNET, **BLOCKS},
    "DPTNet": {**TASNET, "n_repeats": 1, "ff_hid": 8, "chunk_size": 20},
    "FasNetTAC": {"n_src": 2, "enc_dim": 8, "feature_dim": 8, "hidden_dim": 8, "n_layers": 1},
    "LSTMTasNet": {**TASNET, "n_layers": 1, "hid_size": 8, "dropout": 0.0},
    "SuDORMRFImprovedNet": {**TASNET, "bn_chan": 8, "num_blocks": 1},
    "SuDORMRFNet": {**TASNET, "bn_chan": 8, "num_blocks": 1},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_asteroid_is_kept_in_a_model_file(name, tmp_path):
    torch.manual_seed(0)
    network = AsteroidNetwork(name, ARGUMENTS[name])
    model = nussl.ml.SeparationModel(config_of(network))
    (tmp_path / "x.model.pth").write_bytes(weights.packed(model, {"sample_rate": 8000}))
    read, _ = weights.load(tmp_path / "x.model.pth")
    read.eval()
    mix = torch.randn(1, 1, 8000)
    inner = read.layers["audio"].network.network
    assert type(inner) is getattr(asteroid, name)
    with torch.no_grad():
        expected = inner(mix).reshape(1, -1, 1, 8000)
        found = read({"mix_audio": mix})["audio"]
    torch.testing.assert_close(found, expected.movedim(1, -1), atol=0, rtol=0)


def test_channels_are_separated_each_by_itself():
    network = AsteroidNetwork("ConvTasNet", ARGUMENTS["ConvTasNet"]).eval()
    mix = torch.randn(2, 2, 801)
    with torch.no_grad():
        estimates = network(mix)
        alone = network(mix[1:, 1:])
    assert estimates.shape == (2, 2, 2, 801)
    torch.testing.assert_close(estimates[1:, :, 1:], alone, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("ConvTasnet", {}, "AsteroidNetwork.name = 'ConvTasnet' is none of ConvTasNet, DCCRNet,"),
        (
            "DPTNet",
            {"num_sources": 2},
            "arguments = {'num_sources': 2} don't build asteroid's DPTN",
        ),
    ],
)
def test_what_asteroid_does_not_have_is_told(name, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        AsteroidNetwork(name, arguments)


def test_one_trains_is_evaluated_and_separates_as_it_did(instantiate):
    (run,) = instantiate(
        "toy/exp/waveform.gin",
        "train.model_config = None",
        "train.model = @AsteroidNetwork()",
        "AsteroidNetwork.name = 'LSTMTasNet'",
        f"AsteroidNetwork.arguments = {ARGUMENTS['LSTMTasNet']}",
        "train.excerpt_frames = None",
        "train.excerpt_seconds = 0.5",
        "train.handlers = []",
        "train.num_epochs = 1",
        "train.epoch_length = 3",
        "train.batch_size = 2",
    )
    road.call("all", run.config)
    assert len(list(run.results.glob("*.json"))) == 4
    separator = WaveformEstimation().located(run.folder)
    assert separator.load()["source_names"] == ["s1", "s2"]
    road.call("resume", run.config, "train.num_epochs = 2")
    stored = weights.read(run.best_model)
    network = stored.config["modules"]["audio"]["args"]["network"]
    arguments = {"name": "LSTMTasNet", "arguments": ARGUMENTS["LSTMTasNet"]}
    assert network == {"class": "AsteroidNetwork", "args": arguments}
