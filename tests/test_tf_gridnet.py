"""TF-GridNet: properties that its paper gives, and ESPnet's output with ESPnet's weights."""

import numpy as np
import pytest
import soundfile
import torch

from audition.errors import ConfigError
from audition.files import read_json
from audition.models import TFGridNet
from audition.models.grid_blocks import GridBlock
from tests.support import road, training
from tests.support.parity import ATOL, moved, number, renamed

SMALL = {"channels": 8, "num_blocks": 2, "hidden_size": 8, "query_size": 64}
RECIPE = (
    "toy/exp/waveform.gin",
    "train.model_config = None",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.2",
    "train.handlers = []",
    "train.num_epochs = 1",
    "train.epoch_length = 2",
    "train.batch_size = 2",
    "WHAM.num_channels = 2",
    "WaveformFeatures.reference_channel = 1",
    "evaluate.reference_channel = 1",
    "train.model = @TFGridNet()",
    "TFGridNet.num_microphones = 2",
    "TFGridNet.num_blocks = 1",
    "TFGridNet.channels = 8",
    "TFGridNet.hidden_size = 4",
)
MISTAKES = {
    "train": {
        "WaveformFeatures.reference_channel = 2": "= 2 is no channel of the sources, which",
        "WaveformFeatures.reference_channel = None": "estimates of the shape (1, 1600) with",
    },
    "evaluate": {
        "evaluate.reference_channel = 2": "2 is no channel of",
        "evaluate.reference_channel = None": "or bind evaluate.reference_channel to the",
    },
}
SHORT = {"window_length": 64, "hop_length": 16}


def test_estimates_are_as_loud_as_the_mixture():
    network = TFGridNet(**SMALL, **SHORT).eval()
    mix = torch.randn(1, 1, 500)
    with torch.no_grad():
        torch.testing.assert_close(network(100 * mix), 100 * network(mix), atol=1e-4, rtol=1e-4)
        assert network(torch.zeros(1, 1, 500)).abs().max() < 1e-6


def test_microphones_are_heard_together_and_one_comes_out():
    network = TFGridNet(3, num_microphones=2, **SMALL, **SHORT).eval()
    mix = torch.randn(2, 2, 300)
    with torch.no_grad():
        estimates, without_one = network(mix), network(mix * torch.tensor([[1.0], [0.0]]))
    assert estimates.shape == (2, 3, 1, 300)
    assert not torch.allclose(estimates, without_one, atol=1e-3)
    with pytest.raises(
        ConfigError, match="num_microphones = 2, but mixtures have 1 channels; bind"
    ):
        network(mix[:, :1])


@pytest.fixture
def two_microphones(speech, tmp_path):
    """The rendered voices at two microphones, the second of which hears them later and less loud."""
    folder = tmp_path / "two"
    for path in speech.rglob("*.wav"):
        audio, sample_rate = soundfile.read(path)
        copy = folder / path.relative_to(speech)
        copy.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(copy, np.stack([audio, 0.5 * np.roll(audio, 3)], 1), sample_rate, "FLOAT")
    return folder


def test_a_network_of_two_microphones_is_trained_and_scored_on_one(two_microphones, capsys):
    (run,) = road.instantiate(two_microphones, two_microphones.parent, *RECIPE)
    assert_told(capsys, "train", run)
    road.call("train", run.config)
    assert_told(capsys, "evaluate", run)
    road.call("evaluate", run.config)
    scores = [read_json(path)["s1"] for path in run.results.glob("*.json")]
    assert [len(one["SI-SDR"]) for one in scores] == [1] * 4


def assert_told(capsys, command, run):
    for binding, sentence in MISTAKES[command].items():
        assert sentence in training.told(capsys, command, run.config, binding)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"channels": 30}, "channels = 30 can't be shared by num_heads = 4; bind a multiple"),
        ({"stride": 5}, "stride = 5 leaves out neighbours between windows of 4; bind at most 4"),
    ],
)
def test_sizes_that_do_not_fit_are_told(settings, sentence):
    with pytest.raises(ConfigError, match=f"TFGridNet.{sentence}"):
        TFGridNet(**settings)


@pytest.fixture
def block():
    """A block without biases, so that zeros stay zeros, and a grid in which one bin is not."""
    block = GridBlock(8, 4, 1, 8, num_heads=2, size=3, num_frequencies=9).eval()
    for name, one in block.named_parameters():
        if "bias" in name:
            one.data.zero_()
    grid = torch.zeros(1, 12, 9, 8)
    grid[0, 5, 4] = torch.randn(8)
    return block, grid


def test_lines_hear_one_axis(block):
    block, grid = block
    assert heard(block.along_frequency(grid)) == {(5, frequency) for frequency in range(9)}
    turned = block.along_time(grid.transpose(1, 2)).transpose(1, 2)
    assert heard(turned) == {(time, 4) for time in range(12)}


def test_a_block_hears_the_whole_grid(block):
    block, grid = block
    assert len(heard(block(grid))) == 12 * 9


def heard(grid):
    """Places `(time, frequency)` that are not zero."""
    return {tuple(place) for place in grid[0].abs().sum(-1).nonzero().tolist()}


PATTERNS = [
    (r"^conv\.", "entry."),
    (r"^deconv\.", "exit."),
    (r"\.intra_", ".along_frequency."),
    (r"\.inter_", ".along_time."),
    (r"\.linear\.", ".spread."),
    (r"\.attn_(conv|norm)_([QKV])\.", r".attention.\2.\1."),
    (r"\.attn_concat_proj\.", ".attention.exit."),
    (r"\.Q\.", ".query."),
    (r"\.K\.", ".key."),
    (r"\.V\.", ".value."),
    (r"\.conv\.", ".linear."),
    (r"\.norm\.act\.", ".activation."),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
]


def reshaped(name, weight):
    """Its axes in the order of ours, which has the channels last."""
    if weight.ndim > 3 and ".attention." in name:
        convolution = ".linear." in name or ".exit.0." in name
        return weight.flatten(1) if convolution else weight[0].movedim(-3, -1)
    return weight


@pytest.fixture
def espnet():
    return pytest.importorskip(
        "espnet2.enh.separator.tfgridnetv2_separator",
        reason="needs pip install --no-deps -r requirements-peers.txt",
    )


@pytest.mark.parametrize("neighbours", [4, 1])
def test_as_many_parameters_as_in_espnets_recipes(espnet, neighbours):
    ours = TFGridNet(window_length=128, channels=48, hidden_size=192, neighbours=neighbours)
    assert number(ours) == number(espnet.TFGridNetV2(None, emb_ks=neighbours))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        (
            {"num_sources": 3, "num_microphones": 2, "neighbours": 3, "stride": 2},
            {"n_srcs": 3, "n_imics": 2, "emb_ks": 3, "emb_hs": 2},
        ),
    ],
)
def test_parity_with_espnet(espnet, monkeypatch, ours, theirs):
    """For whole hops, and with zeros beyond the ends of signals, which ESPnet's STFT reflects."""
    stft = torch.stft
    monkeypatch.setattr(torch, "stft", lambda *a, **k: stft(*a, **{**k, "pad_mode": "constant"}))
    size = {"n_layers": 2, "lstm_hidden_units": 8, "emb_dim": 8, "attn_approx_qk_dim": 64}
    published = moved(espnet.TFGridNetV2(None, n_fft=64, stride=16, **size, **theirs))
    network = TFGridNet(window="hann", **SMALL, **SHORT, **ours).eval()
    weights = renamed(published.state_dict(), PATTERNS)
    network.load_state_dict({name: reshaped(name, one) for name, one in weights.items()})
    mixes = torch.randn(2, ours.get("num_microphones", 1), 16 * 50)
    with torch.no_grad():
        given = mixes.transpose(1, 2).squeeze(-1)
        expected = torch.stack(published(given, torch.tensor([800, 800]))[0], dim=1)
        torch.testing.assert_close(network(mixes).squeeze(2), expected, atol=ATOL, rtol=1e-5)
