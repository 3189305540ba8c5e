"""Every builder that a .gin file may name makes a network that runs and learns."""

import copy
import json

import gin
import numpy as np
import nussl
import pytest
import torch

from audition import registry
from audition.features import SpectrogramFeatures, WaveformFeatures
from audition.models import build_chimera_with_mel, building_block
from tests.support import voices

FRAMES, BINS, EMBEDDING, SOURCES = 60, 129, 6, 2
SAMPLES = (FRAMES - 1) * voices.STFT_PARAMS.hop_length
RECURRENT = {"hidden_size": 8, "num_layers": 2, "bidirectional": True, "dropout": 0.1}
SPECTRAL = {"num_features": BINS, **RECURRENT}
FILTERS = {"num_filters": 32, "filter_length": 32, "hop_length": 16}
CHUNKS = {"chunk_size": 20, "hop_size": 10}
MASK = {"num_sources": SOURCES, "mask_activation": ["sigmoid"]}
EMBEDDED = {"embedding_size": EMBEDDING, "embedding_activation": ["sigmoid", "unit_norm"]}
MEL = {**SPECTRAL, **EMBEDDED, **MASK, **CHUNKS, "num_mels": 20, "sample_rate": 8000}
del MEL["dropout"]  # which it takes and does not use
ARGUMENTS = {
    "build_chimera_with_mel": MEL,
    "build_dual_path_recurrent_end_to_end": {
        **FILTERS, **MASK, **CHUNKS, "bottleneck_size": 8, "hidden_size": 8,
        "num_layers": 2, "bidirectional": True,
    },
    "build_open_unmix_like": {
        **SPECTRAL, "num_sources": SOURCES, "add_embedding": True, **EMBEDDED
    },
    "build_recurrent_chimera": {**SPECTRAL, **EMBEDDED, **MASK},
    "build_recurrent_dpcl": {**SPECTRAL, **EMBEDDED},
    "build_recurrent_end_to_end": {**FILTERS, **RECURRENT, **MASK, "window_type": "sqrt_hann"},
    "build_recurrent_mask_inference": {**SPECTRAL, **MASK},
}  # fmt: skip
PER_BIN = 2, FRAMES, BINS, 1
SHAPES = {
    "embedding": (*PER_BIN, EMBEDDING),
    "mask": (*PER_BIN, SOURCES),
    "estimates": (*PER_BIN, SOURCES),
    "audio": (2, 1, SAMPLES, SOURCES),
}
OUTPUTS = {
    "build_chimera_with_mel": ["embedding", "estimates", "mask"],
    "build_dual_path_recurrent_end_to_end": ["audio", "mask"],
    "build_open_unmix_like": ["embedding", "estimates", "mask"],
    "build_recurrent_chimera": ["embedding", "estimates", "mask"],
    "build_recurrent_dpcl": ["embedding"],
    "build_recurrent_end_to_end": ["audio", "mask"],
    "build_recurrent_mask_inference": ["estimates", "mask"],
}
every_builder = pytest.mark.parametrize("name", sorted(ARGUMENTS))


@building_block
class Louder(torch.nn.Module):
    """A user's layer: its input times a factor that is learned."""

    def __init__(self, factor):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(float(factor)))

    def forward(self, data):
        return self.factor * data


def config_of(name):
    registry.register()
    return gin.get_configurable(name)(**ARGUMENTS[name])


def build(config):
    torch.manual_seed(0)
    return nussl.ml.SeparationModel(copy.deepcopy(config))


def excerpt():
    """Features of two excerpts, as a dict of tensors."""
    mixes = [voices.two_voices(1.0, seed)[0].audio_data[:, :SAMPLES] for seed in range(2)]
    batch = {"mix": torch.tensor(np.stack(mixes), dtype=torch.float32)}
    return {**SpectrogramFeatures(voices.STFT_PARAMS)(batch), **WaveformFeatures()(batch)}


def test_every_builder_of_the_registry_is_tested_here():
    nussls = registry.EXTERNAL["nussl.ml.networks.builders"]
    assert sorted(ARGUMENTS) == sorted([*nussls, "build_chimera_with_mel"])
    missing = [name for name in dir(nussl.ml.networks.builders) if name.startswith("build_")]
    assert sorted(missing) == sorted(nussls)


@every_builder
def test_a_network_gives_what_its_losses_and_separators_read(name):
    output = build(config_of(name))(excerpt())
    assert sorted(output) == OUTPUTS[name]
    for key, value in output.items():
        assert torch.isfinite(value).all()
        if key == "mask" and "audio" in output:
            assert value.shape[-1] == SOURCES  # of its own filters and frames
        else:
            assert tuple(value.shape) == SHAPES[key], key


@every_builder
def test_gradients_reach_the_first_layer(name):
    model = build(config_of(name))
    output = model(excerpt())
    sum((value * torch.randn_like(value)).sum() for value in output.values()).backward()
    learning = [p for p in model.parameters() if p.requires_grad]
    assert all(torch.isfinite(p.grad).all() for p in learning)
    assert learning[0].grad.abs().sum() > 0
    assert sum(bool(p.grad.abs().sum() > 0) for p in learning) > 0.8 * len(learning)


@every_builder
def test_a_config_survives_json(name):
    config = config_of(name)
    one, other = build(config).eval(), build(json.loads(json.dumps(config))).eval()
    assert json.loads(json.dumps(one.config)) == json.loads(json.dumps(other.config))
    expected, found = one(excerpt()), other(excerpt())
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_the_estimates_are_the_mask_times_the_mixture():
    for name, outputs in OUTPUTS.items():
        if "estimates" in outputs:
            data = excerpt()
            output = build(config_of(name))(dict(data))
            masked = output["mask"] * data["mix_magnitude"][..., None]
            assert torch.allclose(output["estimates"], masked), name


@pytest.mark.parametrize("rnn_type", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_chimera_with_mel_runs_with_every_recurrence(rnn_type, bidirectional):
    changed = {
        "rnn_type": rnn_type,
        "bidirectional": bidirectional,
        "normalization_class": "BatchNorm",
    }
    arguments = {**MEL, **changed}
    output = build(build_chimera_with_mel(**arguments))(excerpt())
    assert tuple(output["mask"].shape) == SHAPES["mask"]


def test_chimera_with_mel_drops_out_before_its_heads_where_told(caplog):
    assert build_chimera_with_mel(**MEL)["modules"]["dropout"]["args"] == {"p": 0.0}
    assert not caplog.messages
    config = build_chimera_with_mel(**MEL, head_dropout=0.5)
    assert config["modules"]["dropout"]["args"] == {"p": 0.5}
    assert [first for first, second in config["connections"] if second == ["dropout"]] == [
        "embedding",
        "mask",
    ]


def test_chimera_with_mel_says_that_dropout_is_not_used(caplog):
    """Configs of version 0.1 bind it, and their weights fit."""
    config = build_chimera_with_mel(**MEL, dropout=0.3)
    assert config["modules"]["dropout"]["args"] == {"p": 0.0}
    (told,) = caplog.messages
    assert told.startswith(
        "build_chimera_with_mel.dropout = 0.3 is not used, as in the paper's code"
    )
    former = {**config["modules"], "dropout": {"class": "Dropout", "args": {"p": 0.3}}}
    before = nussl.ml.SeparationModel({**config, "modules": former})
    nussl.ml.SeparationModel(config).load_state_dict(before.state_dict())


def test_chimera_with_mel_takes_stereo():
    arguments = {**MEL, "num_audio_channels": 2}
    stereo = torch.tensor(voices.two_voices(1.0, num_channels=2)[0].audio_data[None, :, :SAMPLES])
    data = SpectrogramFeatures(voices.STFT_PARAMS)({"mix": stereo.float()})
    output = build(build_chimera_with_mel(**arguments))(data)
    assert tuple(output["estimates"].shape) == (1, FRAMES, BINS, 2, SOURCES)


def test_a_users_layer_is_named_in_configs_and_gin_files(tmp_path):
    config = config_of("build_recurrent_mask_inference")
    config["modules"]["louder"] = {"class": "Louder", "args": {"factor": 3.0}}
    config["connections"] = [["louder", ["mix_magnitude"]], *config["connections"]]
    config["connections"][1] = ["log_spectrogram", ["louder"]]
    model = build(config)
    assert model.layers["louder"].factor.item() == 3.0
    assert gin.get_configurable("Louder")(factor=2).factor == 2.0
    metadata = {"stft_params": voices.STFT_PARAMS, "sample_rate": 8000, "num_channels": 1}
    dataset = {
        "transforms": SpectrogramFeatures(voices.STFT_PARAMS).nussl_transform(),
        "name": "none",
    }
    model.save(tmp_path / "model.pth", metadata={**metadata, "train_dataset": dataset})
    loaded, about = nussl.ml.SeparationModel.load(tmp_path / "model.pth")
    assert "A user's layer" in str(about["config"])  # the source travels
    expected, found = model.eval()(excerpt()), loaded.eval()(excerpt())
    assert torch.equal(expected["mask"], found["mask"])
