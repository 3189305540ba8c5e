"""Features of a user's own, as docs/adding.md has them: trained on, and given to the network again."""

import numpy as np
import nussl
import pytest
import soundfile
import torch

from audition.losses import Losses
from audition.separators import MaskEstimation
from tests.support import documents, road, voices
from tests.support.training import state, told

(OWN,) = [
    one for one in documents.snippets(documents.read("docs/adding.md")) if one.noun == "feature"
]
SECONDS = 1.0
STEREO = """
train/build_dataset.dataset = @train/MixSourceFolder()
val/build_dataset.dataset = @val/MixSourceFolder()
test/build_dataset.dataset = @val/MixSourceFolder()
MixSourceFolder.mix_folder = 'mix'
MixSourceFolder.source_folders = ['s1', 's2']
MixSourceFolder.sample_rate = 8000
MixSourceFolder.stft_params = @STFTParams()
build_spatial_mask_inference.num_channels = 2
train.excerpt_frames = None
train.num_epochs = 2
train.val_batch_size = 1               # cos of a number may depend, in its last bit, on how many
evaluate.batch_size = 1                # there are beside it
"""
KEYS = {"mask": "estimates", "shares": "targets"}


def write_stereo(folder, seeds):
    for seed in seeds:
        mix, sources = voices.two_voices(SECONDS, seed, num_channels=2)
        for name, signal in {"mix": mix, **sources}.items():
            path = folder / name / f"track{seed}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, signal.audio_data.T, voices.SAMPLE_RATE, subtype="FLOAT")
    return folder


@pytest.fixture
def own_gin(tmp_path, monkeypatch):
    """Path of the document's .gin, beside its module."""
    (tmp_path / f"{OWN.module}.py").write_text(OWN.code)
    (tmp_path / "own.gin").write_text(OWN.gin)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "own.gin"


@pytest.fixture
def stereo_run(instantiate, own_gin, tmp_path):
    """Run on stereo items that are as long as an excerpt; the validation items are the test items."""
    (tmp_path / "stereo.gin").write_text(STEREO)
    (run,) = instantiate(
        own_gin,
        tmp_path / "stereo.gin",
        f"train/MixSourceFolder.folder = '{write_stereo(tmp_path / 'tr', range(8))}'",
        f"val/MixSourceFolder.folder = '{write_stereo(tmp_path / 'cv', range(8, 12))}'",
        f"train.excerpt_seconds = {SECONDS}",
    )
    return run


@pytest.fixture
def network_inputs(monkeypatch):
    """List of what networks are given in eval mode, one item at a time."""
    given, forward = [], nussl.ml.SeparationModel.forward

    def spy(model, data):
        if not model.training:
            given.extend(data["mels_and_phases"].clone())
        return forward(model, data)

    monkeypatch.setattr(nussl.ml.SeparationModel, "forward", spy)
    return given


def assert_same_items(some, others):
    """The same tensors to the bit, in any order."""
    assert len(some) == len(others) == 4
    assert {one.numpy().tobytes() for one in some} == {one.numpy().tobytes() for one in others}


def test_separation_gives_the_network_what_validation_gave_it(stereo_run, network_inputs):
    road.call("cache", stereo_run.config)
    road.call("train", stereo_run.config)
    assert len(network_inputs) == 2 * 4
    in_validation = network_inputs[:4]
    assert in_validation[0].shape == (126, 2 * 40 + 2 * 129)
    assert_same_items(in_validation, network_inputs[4:])
    network_inputs.clear()
    road.call("evaluate", stereo_run.config)
    assert_same_items(in_validation, network_inputs)
    assert len(list(stereo_run.results.glob("*.json"))) == 4


def test_the_validation_loss_of_the_separated_model_is_that_of_the_training(stereo_run):
    road.call("cache", stereo_run.config)
    road.call("train", stereo_run.config)
    history = state(stereo_run)["history"]["validation/loss"]
    items = [voices.two_voices(SECONDS, seed, num_channels=2) for seed in range(8, 12)]
    separator = MaskEstimation().located(stereo_run.folder)
    outputs = separator.on_device([mix for mix, _ in items], torch.device("cpu"))
    batch = {
        "mix": tensor([mix.audio_data for mix, _ in items]),
        "sources": tensor([[one.audio_data for one in sources.values()] for _, sources in items]),
    }
    losses = Losses({"PermutationInvariantLoss": {"args": ["L1Loss"], "keys": KEYS}})
    loss = losses(
        {"mask": tensor([output["mask"] for output in outputs])}, separator.features(batch)
    )["loss"]
    assert float(loss) == pytest.approx(min(history), rel=1e-6)
    assert history[0] != history[1]


OTHER_MISTAKES = """
import gin
import torch
from audition.features import Features, WaveformFeatures


@gin.register
class Doubled(Features):
    def __init__(self, factor):
        self.factor = 2 * factor

    def __call__(self, batch):
        return {"mix_audio": self.factor * batch["mix"]}


@gin.register
class Random(WaveformFeatures):
    def __call__(self, batch):
        return {"mix_audio": torch.rand_like(batch["mix"])}


@gin.register
class OfTheSources(WaveformFeatures):
    def __call__(self, batch):
        return {"mix_audio": batch["sources"].sum(1)} if "sources" in batch else {"nothing": None}


@gin.register
class Duck:
    def __call__(self, batch):
        return {"mix_audio": batch["mix"]}
"""
WAVEFORMS = (
    "train.model_config = @build_recurrent_end_to_end()",
    "build_recurrent_end_to_end.num_filters = 128",
    "build_recurrent_end_to_end.filter_length = 128",
    "build_recurrent_end_to_end.hop_length = 64",
    "build_recurrent_end_to_end.window_type = 'sqrt_hann'",
    "build_recurrent_end_to_end.hidden_size = 8",
    "build_recurrent_end_to_end.num_layers = 1",
    "build_recurrent_end_to_end.bidirectional = True",
    "build_recurrent_end_to_end.dropout = 0.0",
    "build_recurrent_end_to_end.num_sources = 2",
    "build_recurrent_end_to_end.mask_activation = ['sigmoid']",
    "train.loss_dictionary = {'SISDRLoss': {}}",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.5",
)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Doubled", "@Doubled() rebuilt from its settings gives a different 'mix_audio'"),
        ("Random", "draw no random numbers"),
        ("OfTheSources", "reads 'mix_audio', which train.features = @OfTheSources() doesn't make"),
        ("Duck", "bind an instance of a subclass of audition.features.Features"),
    ],
)
def test_what_would_be_another_input_in_separation_is_told_before_training(
    instantiate, tmp_path, monkeypatch, capsys, name, sentence
):
    (tmp_path / "mistaken_features.py").write_text(OTHER_MISTAKES)
    (tmp_path / "own.gin").write_text("import mistaken_features\n")
    monkeypatch.syspath_prepend(tmp_path)
    features = (f"train.features = @{name}()", "Doubled.factor = 1.5")
    (run,) = instantiate(tmp_path / "own.gin", *features, *WAVEFORMS)
    assert sentence in told(capsys, "train", run.config)
    assert not (run.checkpoints / "latest.pth").exists()


def tensor(arrays):
    return torch.tensor(np.stack(arrays), dtype=torch.float32)
