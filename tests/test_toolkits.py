"""Models of other toolkits, which each toolkit wrote: ours separates as the toolkit itself does."""

import copy
import json
import os
import pickle
import random
import shutil
import sys
import types
from importlib import import_module
from pathlib import Path

import gin
import numpy as np
import nussl
import pytest
import safetensors.torch
import torch

from audition import configs, registry
from audition.audio.files import convert
from audition.compat import stand_ins
from audition.errors import ConfigError
from audition.identity import describe
from audition.separators import (
    AsteroidModel,
    BSRoformerModel,
    DemucsModel,
    OpenUnmixModel,
    SpeechBrainSeparator,
)
from audition.separators.toolkits.demucs import from_safetensors
from audition.separators.toolkits.speechbrain import checked_hyperparams
from tests.support import documents, road, toolkits

WHY = "needs pip install --no-deps -r requirements-peers.txt"
CPU = torch.device("cpu")
RATE, SAMPLES = 8000, 9000
STEMS = sorted(toolkits.STEMS)
PACKAGES = {
    "asteroid": "asteroid.models",
    "speechbrain": "speechbrain",
    "demucs": "demucs.apply",
    "open_unmix": "openunmix",
    "bs_roformer": "bs_roformer",
}
PRINTED = [text for _, text in documents.blocks(documents.read("docs/toolkits.md"), "gin")]
STEREO = ("demucs", "open_unmix", "bs_roformer")


@pytest.mark.parametrize("printed", PRINTED, ids=lambda text: text.partition("@")[2][:13])
def test_what_the_page_prints_can_be_bound(printed, tmp_path, monkeypatch):
    monkeypatch.chdir(road.ROOT)
    registry.register()
    (tmp_path / "own.gin").write_text(printed)
    recipe = ["toy/env.gin", "wham/wham8k.gin", "toy/exp/waveform.gin", tmp_path / "own.gin"]
    configs.load(recipe)
    separator = copy.deepcopy(gin.query_parameter("evaluate.separator"))
    assert callable(separator.finish)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Function `kind` → a separator of a model that the toolkit wrote."""

    def write(kind):
        with stand_ins.torchaudio():
            pytest.importorskip(PACKAGES[kind], reason=WHY)
        place = tmp_path / kind
        if kind == "asteroid":
            toolkits.write_asteroid(place, monkeypatch)
            return AsteroidModel(str(place))
        if kind == "speechbrain":
            toolkits.write_speechbrain(place)
            return SpeechBrainSeparator(str(place))
        if kind == "demucs":
            toolkits.write_demucs(place, monkeypatch)
            return DemucsModel("net0", str(place))
        if kind == "open_unmix":
            toolkits.write_open_unmix(place)
            return OpenUnmixModel(str(place))
        toolkits.write_roformer(place)
        return BSRoformerModel(str(place / "config.yaml"), str(place / "model.ckpt"))

    return write


def mixture(num_channels=1, sample_rate=RATE, num_samples=SAMPLES):
    audio = np.random.RandomState(0).normal(scale=0.1, size=(num_channels, num_samples))
    audio = audio.astype(np.float32)
    return nussl.AudioSignal(audio_data_array=audio, sample_rate=sample_rate)


def separated(separator, mix):
    """Estimates `(source, channel, sample)`, with the second half done elsewhere."""
    (output,) = separator.on_device([mix], CPU)
    elsewhere = pickle.loads(pickle.dumps(separator))
    estimates = elsewhere.separate(mix, output).estimates
    assert [one.sample_rate for one in estimates] == [mix.sample_rate] * len(estimates)
    return np.stack([one.audio_data for one in estimates])


def by_toolkit(separator, audio):
    """What the toolkit's own call gives for `(channel, sample)` at its own rate; sources by name."""
    mix = torch.as_tensor(audio, dtype=torch.float32)
    with torch.no_grad():
        return OWN_CALLS[type(separator)](separator, mix)


def by_asteroid(separator, mix):
    BaseModel = import_module("asteroid.models").BaseModel

    with torch.serialization.safe_globals([torch.torch_version.TorchVersion]):
        network = BaseModel.from_pretrained(separator.path_or_hub_name).eval()
    return network.separate(mix[None])[0].unsqueeze(1)


def by_speechbrain(separator, mix):
    with stand_ins.torchaudio():
        SepformerSeparation = import_module("speechbrain.inference.separation").SepformerSeparation

        network = SepformerSeparation.from_hparams(separator.source, run_opts={"device": "cpu"})
    return network.separate_batch(mix)[0].T.unsqueeze(1)


def by_demucs(separator, mix):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("sphn", "lameenc"):  # which read and write files
            patch.setitem(sys.modules, name, types.ModuleType(name))
        Separator = import_module("demucs.api").Separator

    own = Separator(separator.name, repo=Path(separator.folder), device="cpu")
    random.seed(0)
    _, estimates = own.separate_tensor(mix, RATE)
    return torch.stack([estimates[name] for name in STEMS])


def by_open_unmix(separator, mix):
    with stand_ins.torchaudio():
        separate = import_module("openunmix.predict").separate

        estimates = separate(mix, RATE, separator.name, targets=list(toolkits.STEMS))
    return torch.stack([estimates[name][0] for name in STEMS])


def by_roformer(separator, mix):
    BSRoformer = import_module("bs_roformer").BSRoformer

    network = BSRoformer(**toolkits.ROFORMER["model"]).eval()
    network.load_state_dict(torch.load(separator.checkpoint))
    estimates = network(mix[None])[0]
    order = [toolkits.STEMS.index(name) for name in STEMS]
    return torch.nn.functional.pad(estimates[order], (0, mix.shape[-1] - estimates.shape[-1]))


OWN_CALLS = {
    AsteroidModel: by_asteroid,
    SpeechBrainSeparator: by_speechbrain,
    DemucsModel: by_demucs,
    OpenUnmixModel: by_open_unmix,
    BSRoformerModel: by_roformer,
}


@pytest.mark.parametrize("kind", PACKAGES)
def test_estimates_are_those_of_the_toolkits_own_call(kind, written):
    separator = written(kind)
    num_samples = 3900 if kind == "bs_roformer" else SAMPLES  # its package cuts nothing
    mix = mixture(2 if kind in STEREO else 1, num_samples=num_samples)
    expected = by_toolkit(separator, mix.audio_data)
    assert expected.abs().max() > 1e-3
    np.testing.assert_allclose(separated(separator, mix), expected, atol=1e-5)


@pytest.mark.parametrize("kind", PACKAGES)
def test_other_rates_are_resampled_there_and_back(kind, written):
    separator = written(kind)
    mix = mixture(2 if kind in STEREO else 1, sample_rate=11025, num_samples=5001)
    there = convert(mix.audio_data.T, 11025, RATE, None).T
    expected = by_toolkit(separator, there)
    expected = np.stack([convert(one.T.numpy(), RATE, 11025, None).T for one in expected])
    found = separated(separator, mix)
    assert found.shape[-1] == 5001
    length = min(5001, expected.shape[-1])
    assert length > 4990
    np.testing.assert_allclose(found[..., :length], expected[..., :length], atol=1e-5)


@pytest.mark.parametrize("kind", STEREO)
def test_a_network_of_two_channels_hears_a_mono_mix_twice(kind, written):
    separator = written(kind)
    mix = mixture(1, num_samples=3900)
    expected = by_toolkit(separator, np.repeat(mix.audio_data, 2, axis=0))
    np.testing.assert_allclose(
        separated(separator, mix), expected.mean(dim=1, keepdim=True), atol=1e-5
    )
    three = types.SimpleNamespace(num_channels=3)
    with pytest.raises(ConfigError, match="separates signals of one or two channels, and the data"):
        separator.check(three)


@pytest.mark.parametrize("kind", ["asteroid", "speechbrain"])
def test_a_network_of_one_channel_hears_each_by_itself(kind, written):
    separator = written(kind)
    mix = mixture(2)
    found = separated(separator, mix)
    each = np.stack([by_toolkit(separator, one[None])[:, 0] for one in mix.audio_data], axis=1)
    orders = [each[:, 1], each[::-1, 1]]  # whichever fits the first channel
    np.testing.assert_allclose(found[:, 0], each[:, 0], atol=1e-5)
    assert any(np.allclose(found[:, 1], one, atol=1e-5) for one in orders)


def test_channels_are_put_in_one_order_of_sources(written):
    """Two voices, one a channel, which the network gives in another order for the other channel."""
    separator = written("asteroid")
    first, second = mixture(2).audio_data
    turns = iter([(first, second), (second, first)])
    separator.run = lambda network, mix: torch.as_tensor(np.stack(next(turns))[:, None])
    found = separated_here(separator, mixture(2))
    np.testing.assert_array_equal(found, np.stack([[first] * 2, [second] * 2]))


def separated_here(separator, mix):
    (output,) = separator.on_device([mix], CPU)
    return np.stack([one.audio_data for one in separator.separate(mix, output).estimates])


def test_asteroid_cuts_a_long_mix_into_windows(written):
    separator = written("asteroid")
    separator.window_seconds = 0.25
    LambdaOverlapAdd = import_module("asteroid.dsp.overlap_add").LambdaOverlapAdd
    BaseModel = import_module("asteroid.models").BaseModel
    torch_separate = import_module("asteroid.separate").torch_separate

    with torch.serialization.safe_globals([torch.torch_version.TorchVersion]):
        network = BaseModel.from_pretrained(separator.path_or_hub_name).eval()
    mix = mixture()
    wav = torch.as_tensor(mix.audio_data, dtype=torch.float32)[None]
    expected = torch_separate(LambdaOverlapAdd(network, 2, 2000), wav)[0]
    np.testing.assert_allclose(separated(separator, mix)[:, 0], expected, atol=1e-5)


def test_asteroid_makes_silence_of_silence(written):
    separator = written("asteroid")
    silence = nussl.AudioSignal(audio_data_array=np.zeros((1, 800)), sample_rate=RATE)
    assert not separated(separator, silence).any()


def test_chunks_of_a_roformer_are_crossfaded(written):
    """Where one chunk alone is heard, that chunk's estimates; the network is the same everywhere."""
    separator = written("bs_roformer")
    mix = mixture(2, num_samples=7000)
    found = separated(separator, mix)
    first = by_toolkit(separator, mix.audio_data[:, :4000])
    last = by_toolkit(separator, mix.audio_data[:, 3000:])
    np.testing.assert_allclose(found[..., :2000], first[..., :2000], atol=1e-5)
    np.testing.assert_allclose(found[..., 6000:], last[..., 3000:], atol=1e-5)


def test_what_a_roformer_leaves_of_the_mix_is_the_other_instrument(tmp_path):
    pytest.importorskip("bs_roformer", reason=WHY)
    model = {**toolkits.ROFORMER["model"], "num_stems": 1}
    training = {"instruments": ["vocals", "other"], "target_instrument": "vocals"}
    network = toolkits.write_roformer(tmp_path / "one", model=model, training=training)
    separator = BSRoformerModel(str(tmp_path / "one/config.yaml"), str(tmp_path / "one/model.ckpt"))
    mix = mixture(2, num_samples=3904)
    other, vocals = separated(separator, mix)
    with torch.no_grad():
        expected = network(torch.as_tensor(mix.audio_data, dtype=torch.float32)[None])[0]
    np.testing.assert_allclose(vocals, expected, atol=1e-5)
    np.testing.assert_allclose(other + vocals, mix.audio_data, atol=1e-6)
    toolkits.write_roformer(tmp_path / "two", training={"instruments": ["vocals", "other"]})
    separator = BSRoformerModel(str(tmp_path / "two/config.yaml"), str(tmp_path / "two/model.ckpt"))
    with pytest.raises(ConfigError, match="has 2 training.instruments for model.num_stems = 4"):
        separator.check(None)


def test_a_bag_of_demucs_shares_the_sources(tmp_path, monkeypatch):
    pytest.importorskip("demucs", reason=WHY)
    toolkits.write_demucs(tmp_path / "bag", monkeypatch, bag=True)
    separator = DemucsModel("pair", str(tmp_path / "bag"), shifts=2)
    mix = mixture(2)
    once, again = separated(separator, mix), separated(separator, mix)
    np.testing.assert_array_equal(once, again)  # shifts are drawn alike for each mix
    separator = DemucsModel("pair", str(tmp_path / "bag"))
    np.testing.assert_allclose(
        separated(separator, mix), by_toolkit(separator, mix.audio_data), atol=1e-5
    )


def test_sources_are_chosen_and_added_up_by_name(written):
    separator = written("demucs")
    mix = mixture(2)
    bass, drums, other, vocals = separated(separator, mix)
    separator.sources = {"vocals": "vocals", "accompaniment": ["drums", "bass", "other"]}
    np.testing.assert_allclose(separated(separator, mix), [drums + bass + other, vocals], atol=1e-6)
    separator.sources = ["vocals", "drums"]
    np.testing.assert_array_equal(separated(separator, mix), [drums, vocals])
    separator = DemucsModel("net0", separator.folder, sources=["voice"])
    with pytest.raises(ConfigError, match="DemucsModel.sources has 'voice', and the sources of "):
        separator.check(None)


def test_open_unmix_leaves_a_residual_and_may_be_mono(tmp_path):
    with stand_ins.torchaudio():
        pytest.importorskip("openunmix", reason=WHY)
    toolkits.write_open_unmix(tmp_path / "mono", targets=["speech"], num_channels=1)
    separator = OpenUnmixModel(str(tmp_path / "mono"), residual=True, niter=0)
    mix = mixture(2)
    residual, speech = separated(separator, mix)
    assert separator.opened.num_channels == 1
    assert np.abs(speech).max() > 1e-3
    np.testing.assert_allclose(residual + speech, mix.audio_data, atol=1e-4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="is a folder without a <target>.json: give one"):
        OpenUnmixModel(str(tmp_path / "empty")).check(None)


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_model_is_known_by_its_content(kind, written, tmp_path):
    separator = written(kind)
    known = describe(separator)
    assert json.loads(json.dumps(known)) == known
    assert str(tmp_path) not in json.dumps(known)
    network = separator.opened.network
    next(network.parameters()).data += 0.1
    assert describe(separator) != known


def test_a_bound_setting_is_part_of_what_a_model_is(written):
    separator = written("demucs")
    other = DemucsModel("net0", separator.folder, overlap=0.5)
    assert describe(separator) != describe(other)
    assert describe(separator) == describe(DemucsModel("net0", separator.folder))


@pytest.mark.parametrize("kind", PACKAGES)
def test_without_the_toolkit_a_sentence_says_what_to_install(kind, monkeypatch):
    package = PACKAGES[kind].partition(".")[0]
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    separator = {
        "asteroid": AsteroidModel("x"),
        "speechbrain": SpeechBrainSeparator("x"),
        "demucs": DemucsModel("x", "y"),
        "open_unmix": OpenUnmixModel("x"),
        "bs_roformer": BSRoformerModel("x", "y"),
    }[kind]
    sentence = f"needs the package {package} and what it imports .*: pip install --no-deps -r"
    with pytest.raises(ConfigError, match=sentence):
        separator.check(None)


class Harm:
    """A pickle that makes a folder when it is opened."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_pickle_that_does_more_than_hold_weights_is_not_opened(kind, written, tmp_path):
    separator = written(kind)
    place = tmp_path / kind
    harmed = {"asteroid": "", "speechbrain": "encoder.ckpt", "open_unmix": "bass.pth"}
    harmed |= {"demucs": "net0.th", "bs_roformer": "model.ckpt"}
    if kind == "demucs":
        next(place.glob("*.th")).rename(place / "net0.th")
    path = place / harmed[kind] if harmed[kind] else place
    torch.save({"state_dict": Harm(tmp_path / "harm")}, path)
    with pytest.raises(ConfigError, match="it names (posix|nt).mkdir, so it was not opened"):
        separator.check(None)
    assert not (tmp_path / "harm").exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize(
    "line",
    [
        "harm: !apply:os.mkdir [harm]",
        "harm: !new:subprocess.Popen [[touch, harm]]",
        "harm: !new:speechbrain.lobes.models.dual_path.torch.nn.Module",
        "harm: !name:os.mkdir",
        "harm: !include:other.yaml",
        "harm: !!python/object/apply:os.mkdir [harm]",
        "harm: (!!python/object/apply:os.mkdir [harm])",
        'harm: "(\\x21\\x21python/object/apply:os.mkdir [harm])"',
        "!module:os : 1",
    ],
)
def test_hyperparams_that_do_more_than_build_layers_are_not_opened(line, tmp_path, monkeypatch):
    pytest.importorskip("hyperpyyaml", reason=WHY)
    monkeypatch.chdir(tmp_path)
    with stand_ins.torchaudio(), pytest.raises(ConfigError, match="may only build layers of"):
        checked_hyperparams(f"{toolkits.SPEECHBRAIN}\n{line}\n", "hyperparams.yaml")
    assert not (tmp_path / "harm").exists()


def test_a_file_of_demucs_hub_is_read_as_demucs_does(written, tmp_path):
    network = written("demucs").opened.network.models[0]
    args, kwargs = network._init_args_kwargs
    about = {"klass": "demucs.htdemucs.HTDemucs", "args": json.dumps(args)}
    about["kwargs"] = json.dumps(kwargs)
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file(network.state_dict(), path, about)
    read = from_safetensors(path).state_dict()
    assert all(torch.equal(one, read[name]) for name, one in network.state_dict().items())
    harm = {**about, "klass": "os.mkdir", "args": json.dumps([str(tmp_path / "harm")])}
    safetensors.torch.save_file(network.state_dict(), path, {**harm, "kwargs": "{}"})
    with pytest.raises(ConfigError, match="holds a os.mkdir, and Demucs' networks are Demucs, HD"):
        from_safetensors(path)
    assert not (tmp_path / "harm").exists()


def test_what_is_not_there_is_told_in_a_sentence(written, tmp_path):
    separator = written("demucs")
    separator = DemucsModel("net1", separator.folder)
    with pytest.raises(ConfigError, match="has no checkpoints net1.th or net1-<checksum>.th: one"):
        separator.check(None)
    shutil.rmtree(separator.folder)
    other = tmp_path / "other.pth"
    torch.save({"model_name": "save_publishable", "model_args": {}, "state_dict": {}}, other)
    pytest.importorskip("asteroid.models", reason=WHY)
    with pytest.raises(ConfigError, match="holds a save_publishable, and asteroid's networks are"):
        AsteroidModel(str(other)).check(None)
    torch.save({"model_name": "ConvTasNet"}, other)
    with pytest.raises(ConfigError, match="AsteroidModel can't open .*: KeyError: 'model_args'"):
        AsteroidModel(str(other)).check(None)
