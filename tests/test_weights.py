"""Model files from strangers: data, or a sentence. What they name is not called, what they describe
is not allocated, whichever command opens them."""

import collections
import functools
import json
import os
import zipfile

import numpy as np
import nussl
import pytest
import safetensors.torch
import torch

from audition import models, weights  # noqa: F401, files may name models
from audition.errors import ConfigError
from audition.features import SpectrogramFeatures
from audition.separators import load_separator
from tests.support import road, voices
from tests.support.training import QUICK, told

HUGE = 200_000  # a layer of HUGE × HUGE takes 160 GB
transforms = nussl.datasets.transforms


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Transform:
    """Not nussl's."""


def parts():
    """A small network as nussl's save takes it apart."""
    model = nussl.ml.SeparationModel(voices.CONFIGS["mask"](1))
    chain = transforms.Compose(
        [transforms.MagnitudeSpectrumApproximation(), transforms.ToSeparationModel()]
    )
    metadata = {
        "stft_params": voices.STFT_PARAMS,
        "sample_rate": voices.SAMPLE_RATE,
        "num_channels": 1,
        "train_dataset": {"name": "none", "transforms": chain},
        "nussl_version": nussl.__version__,
    }
    return model.state_dict(), model.config, metadata


def nussl_file(path, change):
    """Writes what `change(state_dict, config, metadata)` leaves of a file of nussl's format."""
    state_dict, config, metadata = parts()
    change(state_dict, config, metadata)
    content = {"state_dict": state_dict, "config": json.dumps(config), "metadata": metadata}
    torch.save(content, path)


def old_nussl_file(path, change):
    """The same as torch wrote it before 1.6, without a zip archive."""
    nussl_file(path, change)
    content = torch.load(path, weights_only=False)
    torch.save(content, path, _use_new_zipfile_serialization=False)


def claims_more(path):
    """A storage of 8 numbers that calls itself one of 160 GB."""
    weight = torch.zeros(8)
    old_nussl_file(path, lambda tensors, *_: tensors.update(more=weight))
    number, larger = b"K\x08", b"\x8a\x06" + (40 * 10**9).to_bytes(6, "little")
    path.write_bytes(path.read_bytes().replace(number, larger))


def our_file(path, change):
    """The same for a file of ours; `change(tensors, about)`."""
    state_dict, config, metadata = parts()
    tensors = {name: one.clone() for name, one in state_dict.items()}
    metadata["train_dataset"]["transforms"] = weights.described(
        metadata["train_dataset"]["transforms"]
    )
    network = {"class": "SeparationModel", "settings": {"config": config}}
    about = {"format": 1, "network": network, "metadata": metadata}
    text = change(tensors, about)
    entry = {"audition": text or json.dumps(about)}
    path.write_bytes(safetensors.torch.save(tensors, entry))


def in_metadata(value):
    return functools.partial(nussl_file, change=lambda _, __, about: about.update(extra=value))


def layer(write, name, **arguments):
    """Another layer in the config, without weights."""

    def change(tensors, config, metadata=None):
        config = config if metadata else config["network"]["settings"]["config"]
        config["modules"]["more"] = {"class": name, "args": arguments}

    return functools.partial(write, change=change)


def network(name, **arguments):
    """The same of a network from waveforms to waveforms, which names its class itself."""
    return layer(our_file, "WaveformNetwork", network={"class": name, "args": arguments})


def buffers(path):
    """Layers of 128 MB without a parameter, in one that the meta device can't build; tensors enough
    for any number of them."""
    number = 3
    mel = {"sample_rate": 8000, "num_frequencies": 3, "num_mels": 2}

    def change(tensors, about):
        modules = about["network"]["settings"]["config"]["modules"]
        norm = {"num_features": 2**24, "affine": False}
        modules["more"] = {
            "class": "DualPath",
            "args": {
                **dict.fromkeys(("chunk_size", "hop_size", "in_features"), 1),
                **dict.fromkeys(("bottleneck_size", "hidden_size"), 1),
                "num_layers": number,
                "inter_processor": {"class": "MelProjection", "args": mel},
                "intra_processor": {"class": "BatchNorm1d", "args": norm},
            },
        }
        tensors.update({f"layers.more.{k}": torch.zeros(1) for k in range(100 * number)})

    our_file(path, change)


def in_itself(levels):
    """A network in a network in a network …"""
    described = {"class": "Identity", "args": {}}
    for _ in range(levels):
        described = {"class": "WaveformNetwork", "args": {"network": described}}
    return layer(our_file, "WaveformNetwork", network=described)


def ours(**changes):
    """A file of ours whose metadata says something else."""
    return functools.partial(our_file, change=lambda _, about: about["metadata"].update(changes))


def text(written):
    return functools.partial(our_file, change=lambda tensors, about: written)


def tensor(write, change):
    def change_first(tensors, *_):
        name = next(name for name in tensors if "weight_ih" in name)
        tensors[name] = change(tensors[name])

    return functools.partial(write, change=change_first)


def laughs():
    """A few hundred bytes that unfold to 2 ** 40 lists."""
    value = []
    for _ in range(40):
        value = [value, value]
    return value


def deep(levels=100):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def compressed(path):
    torch.save({"zeros": torch.zeros(1)}, path.with_suffix(".whole"))
    with zipfile.ZipFile(path.with_suffix(".whole")) as whole:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in whole.namelist():
                archive.writestr(one, whole.read(one) + bytes(10**6))


def cached(path, victim):
    in_metadata(Calls(transforms.Cache, str(victim), 1, True))(path)


def in_a_chain(path, victim):
    cache = Calls(transforms.Cache, str(victim), 1, True)
    nussl_file(
        path, lambda _, __, about: about.update(transforms=transforms.Compose([cache, cache]))
    )


def removed(path, victim):
    in_metadata(Calls(os.system, f"rm -r {victim}"))(path)


def evaluated(path, victim):
    in_metadata(Calls(eval, f"__import__('shutil').rmtree({str(victim)!r})"))(path)


def listed(path, victim):
    in_metadata(Calls(collections.deque, [1]))(path)


NAMED = {
    "nussl.datasets.transforms.Cache": cached,
    "transforms.Cache": in_a_chain,
    "posix.system|unsupported": removed,
    "eval": evaluated,
    "collections.deque": listed,
}
objects = np.array([{}], dtype=object)
DATA = {
    "objects of NumPy": in_metadata(objects),
    "a list of a list of …": in_metadata(deep()),
    "a list twice in a list": in_metadata(laughs()),
    "a transform of nobody": in_metadata(Calls(transforms.SumSources, 1, 2, 3, 4)),
    "a zip bomb": compressed,
    "a storage that says it is larger": claims_more,
    "one number seen as many": tensor(nussl_file, lambda x: torch.zeros(1).expand(HUGE, HUGE)),
    "no tensor": tensor(nussl_file, lambda x: "weights"),
    "a sparse tensor": tensor(nussl_file, lambda x: x.to_sparse()),
    "another shape": tensor(our_file, lambda x: x[1:].clone()),
    "another type": tensor(our_file, lambda x: x.double()),
    "another shape in nussl's": tensor(nussl_file, lambda x: x[1:].clone()),
    "160 GB": layer(our_file, "Linear", in_features=HUGE, out_features=HUGE),
    "160 GB in nussl's": layer(nussl_file, "Linear", in_features=HUGE, out_features=HUGE),
    "160 GB on a device": layer(
        our_file, "Linear", in_features=HUGE, out_features=HUGE, device="cpu"
    ),
    "160 GB of mel": layer(
        our_file, "MelProjection", sample_rate=8000, num_frequencies=HUGE, num_mels=HUGE
    ),
    "a window of 80 GB": layer(our_file, "STFT", num_filters=10**10),
    "160 GB without weights": layer(our_file, "BatchNorm1d", num_features=10**10, affine=False),
    "a billion layers": layer(
        our_file,
        "DualPath",
        num_layers=10**7,
        chunk_size=1,
        hop_size=1,
        in_features=1,
        bottleneck_size=0,
        hidden_size=0,
        intra_processor={"class": "Identity", "args": {}},
        inter_processor={"class": "Identity", "args": {}},
    ),
    "ten million layers of one number": layer(
        our_file, "LSTM", input_size=1, hidden_size=1, num_layers=10**7
    ),
    "160 GB after what the meta device can't build": layer(
        our_file,
        "DualPath",
        num_layers=1,
        chunk_size=1,
        hop_size=1,
        in_features=1,
        bottleneck_size=1,
        hidden_size=1,
        inter_processor={
            "class": "MelProjection",
            "args": {"sample_rate": 8000, "num_frequencies": 3, "num_mels": 2},
        },
        intra_processor={
            "class": "Linear",
            "args": {"in_features": HUGE, "out_features": HUGE},
        },
    ),
    "a tensor for a layer": layer(our_file, "Parameter", data=1),
    "no layer": layer(our_file, "register_module", module=1),
    "a function for a layer": layer(
        our_file,
        "DualPath",
        num_layers=1,
        chunk_size=1,
        hop_size=1,
        in_features=1,
        bottleneck_size=1,
        hidden_size=1,
        intra_processor={"class": "checkpoint", "args": {}},
        inter_processor={"class": "Identity", "args": {}},
    ),
    "160 GB of waveform network": network("ConvTasNet", num_filters=HUGE, hidden_channels=HUGE),
    "a billion blocks": network("ConvTasNet", num_blocks=10**7, num_repeats=10**7),
    "another module for a recurrent layer": network("DPRNNTasNet", rnn_type="Identity"),
    "no filterbank": network("ConvTasNet", filters="os.system"),
    "no norm": network("ConvTasNet", norm="os.system"),
    "a function for a network": network("checkpoint"),
    "a module of Python for a network": network("librosa"),
    "a dotted name for a network": network("torch.hub.load", repo_or_dir="x"),
    "an attribute for a network": network("__loader__"),
    "a list for a network": network(["ConvTasNet"]),
    "a network on a device": network("ConvTasNet", device="cuda"),
    "a layer of torch for a network": network("Linear", in_features=HUGE, out_features=HUGE),
    "a network in itself": in_itself(200),
    "JSON that is nested": text("[" * 100_000),
    "JSON of something else": text("[1, 2]"),
    "no JSON": text("{"),
    "another format": text('{"format": 99, "network": {"class": "SeparationModel"}}'),
    "another network": text('{"format": 1, "network": {"class": "ConvTasNet"}}'),
    "Cache in JSON": ours(
        train_dataset={"transforms": {"class": "Cache", "settings": {"location": "x"}}}
    ),
    "an STFT of a trillion": ours(stft_params=[10**12, 10**11, "hann"]),
    "a rate in words": ours(sample_rate="many"),
    "features of no class": ours(features={"class": ["a"], "settings": {}}),
    "features of a trillion": ours(
        features={"class": "SpectrogramFeatures", "settings": {"stft_params": [10**12, 1, "hann"]}}
    ),
    "nothing": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint"),
    "a long header": lambda path: path.write_bytes((2**60).to_bytes(8, "little") + b"{}"),
}


@pytest.fixture
def victim(tmp_path):
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "thesis.txt").write_text("the only copy")
    return folder


def check_sentence(sentence, path):
    assert str(path) in sentence and len(sentence) < 600
    assert "weights_only" not in sentence and "Traceback" not in sentence


@pytest.mark.parametrize("name", NAMED)
def test_what_a_pickle_names_is_not_called(tmp_path, victim, name):
    path = tmp_path / "best.model.pth"
    NAMED[name](path, victim)
    with pytest.raises(ConfigError) as refused:
        weights.load(path)
    check_sentence(str(refused.value), path)
    assert any(one in str(refused.value) for one in name.split("|"))
    assert (victim / "thesis.txt").exists()


@pytest.mark.parametrize("name", DATA)
def test_data_that_no_training_writes_is_refused(tmp_path, name):
    path = tmp_path / "best.model.pth"
    DATA[name](path)
    with pytest.raises(ConfigError) as refused:
        weights.load(path)
    check_sentence(str(refused.value), path)


@pytest.mark.parametrize("write", [nussl_file, old_nussl_file, our_file])
def test_what_is_not_changed_is_read(tmp_path, write):
    path = tmp_path / "best.model.pth"
    write(path, lambda *_: None)
    model, metadata = nussl.ml.SeparationModel.load(str(path))
    assert metadata["stft_params"] == voices.STFT_PARAMS and metadata["num_channels"] == 1
    steps = [type(one).__name__ for one in metadata["train_dataset"]["transforms"].transforms]
    assert steps == ["MagnitudeSpectrumApproximation", "ToSeparationModel"]
    assert model({"mix_magnitude": torch.rand(1, 5, 129, 1)})["mask"].shape == (1, 5, 129, 1, 2)


def test_truncated_anywhere_is_a_sentence(tmp_path):
    path = tmp_path / "best.model.pth"
    for write in (nussl_file, our_file):
        write(path, lambda *_: None)
        whole = path.read_bytes()
        for length in np.linspace(0, len(whole) - 1, 12, dtype=int):
            path.write_bytes(whole[:length])
            with pytest.raises(ConfigError):
                weights.load(path)


def test_buffers_are_not_allocated_without_end(tmp_path):
    buffers(tmp_path / "best.model.pth")
    with pytest.raises(ConfigError, match="describes the network larger than the weights it holds"):
        weights.load(tmp_path / "best.model.pth")


def test_no_command_opens_a_hostile_file(instantiate, victim, tmp_path, capsys):
    """Each got as far as deleting the folder, and most of them ended well."""
    (run,) = instantiate(*QUICK)
    run.checkpoints.mkdir()
    cached(run.best_model, victim)
    theirs = "evaluate.separator = @nussl.separation.deep.DeepMaskEstimation()"
    where = "nussl.separation.deep.DeepMaskEstimation.model_path = 'checkpoints/best.model.pth'"
    confident = (
        "MaskEstimation.mask_type = 'soft'",
        "segment_and_separate.data = @test/build_dataset()",
    )
    out = (f"segment_and_separate.folder = '{tmp_path / 'segments'}'",)
    teacher = "segment_and_separate.separator = @MaskEstimation()"
    for words in (
        ("evaluate",),
        ("train", f"train.init_from = '{run.folder}'"),
        ("segment_and_separate", *confident, *out, teacher),
    ):
        sentence = told(capsys, words[0], run.config, *words[1:])
        assert "names nussl.datasets.transforms.Cache, which" in sentence, words
    assert road.call("evaluate", run.config, theirs, where, check=False) in (1, 2)
    assert "names nussl.datasets.transforms.Cache, which" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="names nussl.datasets.transforms.Cache, which"):
        load_separator(run.folder).separator.load()
    cached(run.latest, victim)
    assert "latest.pth is damaged (reading it" in told(capsys, "resume", run.config)
    assert (victim / "thesis.txt").exists()


def test_a_file_of_ours_holds_no_code_and_is_the_same_each_time(tmp_path):
    model = nussl.ml.SeparationModel(voices.CONFIGS["mask"](1))
    metadata = {"sample_rate": np.int64(8000), "num_channels": 1, "history": [np.float64(0.5)]}
    content = weights.packed(model, metadata)
    assert content == weights.packed(model, metadata)
    assert b"def forward" not in content and b"module_snapshot" not in content
    path = tmp_path / "a.model.pth"
    path.write_bytes(content)
    assert weights.read(path).metadata == {
        **metadata, "nussl_version": nussl.__version__
    }  # fmt: skip


def test_a_changed_bit_is_seen_wherever_it_is(tmp_path):
    model = nussl.ml.SeparationModel(voices.CONFIGS["mask"](1))
    whole = weights.packed(model, {"sample_rate": 8000, "num_channels": 1})
    path = tmp_path / "a.model.pth"
    random = np.random.RandomState(0)
    for place in [0, 8, 12, *random.randint(len(whole), size=20), *random.randint(4000, size=20)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ConfigError):
            weights.read(path)


def test_layers_that_share_a_weight_are_saved(tmp_path):
    model = nussl.ml.SeparationModel(voices.CONFIGS["mask"](1))
    rnn = model.layers["recurrent_stack"].rnn
    rnn.weight_hh_l0_reverse = rnn.weight_hh_l0
    path = tmp_path / "a.model.pth"
    path.write_bytes(weights.packed(model, {}))
    loaded = weights.load(path)[0].layers["recurrent_stack"].rnn
    assert torch.equal(loaded.weight_hh_l0_reverse, rnn.weight_hh_l0)


def test_a_transform_of_ones_own_is_refused_before_training():
    with pytest.raises(ConfigError, match="returns a Transform, which a model file can't hold"):
        weights.described(transforms.Compose([Transform()]))
    assert weights.described(None) is None
    chain = SpectrogramFeatures(voices.STFT_PARAMS, range_min=-np.inf).nussl_transform()
    described = json.loads(json.dumps(weights.described(chain)))
    assert described["settings"]["transforms"][0]["settings"]["range_min"] == -np.inf


def test_a_file_for_nussl_elsewhere_is_nussls_own(tmp_path):
    ours, theirs = tmp_path / "a.model.pth", tmp_path / "for_nussl.pth"
    our_file(ours, lambda *_: None)
    weights.write_for_nussl(ours, theirs)
    content = torch.load(theirs, weights_only=False)
    assert isinstance(content["metadata"]["train_dataset"]["transforms"], transforms.Compose)
    one, other = weights.read(ours), weights.read(theirs)
    assert all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)
    assert weights.load(theirs)[1]["stft_params"] == voices.STFT_PARAMS
