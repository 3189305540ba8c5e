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
    "DCUNet": {"architecture": "DCUNet-10", "n_src": 2, "stft_n_filters": 256, "stft_kernel_size": 256, "stft_stride": 64},
    "DeMask": {"hidden_dims": [16], "n_filters": 64, "kernel_size": 64, "stride": 32},
    "DPRNNTasNet": {**TASNET, **BLOCKS},
    "DPTNet": {**TASNET, "n_repeats": 1, "ff_hid": 8, "chunk_size": 20},
    "FasNetTAC": {"n_src": 2, "enc_dim": 8, "feature_dim": 8, "hidden_dim": 8, "n_layers": 1},
    "LSTMTasNet": {**TASNET, "n_layers": 1, "hid_size": 8},
    "SuDORMRFImprovedNet": {**TASNET, "bn_chan": 8, "num_blocks": 1},
    "SuDORMRFNet": {**TASNET, "bn_chan": 8, "num_blocks": 1},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_network_of_asteroid_is_kept_in_a_model_file(name, tmp_path):
    torch.manual_seed(0)
    network = AsteroidNetwork(name, ARGUMENTS[name])
    model = nussl.ml.SeparationModel(config_of(network))
    (tmp_path / "x.model.pth").write_bytes(weights.packed(model, {"sample_rate": 8000}))
    read, _ = weights.load(tmp_path / "x.model.pth")
    read.eval()
    mix = torch.randn(2, 1, 8000)
    inner = read.layers["audio"].network.network
    assert type(inner) is getattr(asteroid, name)
    with torch.no_grad():
        expected = inner(mix).reshape(2, -1, 1, 8000)
        found = read({"mix_audio": mix})["audio"]
    torch.testing.assert_close(found, expected.movedim(1, -1), atol=0, rtol=0)
