"""What transforms add to an item, on its way to features and losses."""

import gin
import numpy as np
import pytest
import torch
from nussl.datasets.transforms import LabelsToOneHot, SumSources

from audition.datasets import Excerpts, build_dataset, waveform_cache
from audition.datasets.corpora import WHAM
from audition.datasets.loaders import each_item_once, make_loader
from audition.errors import ConfigError
from audition.features import Features
from audition.training.step import Forward
from tests.support import corpora
from tests.support.training import QUICK, told


@gin.register
class Loudness:
    """The level of each source, `(source,)`, and the number of samples."""

    def __call__(self, item):
        levels = [np.abs(one.audio_data).max() for one in item["sources"].values()]
        return {**item, "peaks": np.array(levels), "length": item["mix"].signal_length}


@gin.register
class MadeLouder:
    def __call__(self, item):
        for signal in item["sources"].values():
            signal.audio_data *= 2
        return item


@gin.register
class Adds:
    def __init__(self, **values):
        self.values = values

    def __call__(self, item):
        return {**item, **self.values}


@gin.register
class WholeMix:
    def __call__(self, item):
        return {**item, "whole": item["mix"].audio_data}


@pytest.fixture
def wham(tmp_path):
    return WHAM(str(corpora.write_wham(tmp_path / "wham")))


def batches(data, num_workers=0):
    loader = make_loader(data, each_item_once(data, 3), 4000, 0, num_workers)
    return list(loader)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_each_excerpt_carries_what_its_item_was_given(wham, tmp_path, num_workers):
    chain = [LabelsToOneHot(), Loudness()]
    data = build_dataset(wham, "train", cache_root=tmp_path / "cache", item_transforms=chain)
    plain = batches(data, num_workers)
    waveform_cache.fill(data)
    cached = batches(data, num_workers)
    assert [len(batch["index"]) for batch in plain] == [3, 1]
    for batch, other in zip(plain, cached, strict=True):
        assert torch.equal(batch["peaks"], other["peaks"])
        assert batch["peaks"].dtype == torch.float32 and batch["length"].dtype == torch.int64
        for row, item in enumerate(batch["index"].tolist()):
            truth = data[item]
            assert batch["length"][row] == truth["mix"].signal_length
            peaks = [np.abs(one.audio_data).max() for one in truth["sources"].values()]
            assert batch["peaks"][row].numpy() == pytest.approx(peaks)
            assert torch.equal(batch["one_hot_labels"][row], torch.eye(2))


def test_an_item_is_read_for_them_once(wham, monkeypatch):
    data = build_dataset(wham, "train", item_transforms=[Loudness()])
    excerpts, read = Excerpts(data, 4000, 0), []
    monkeypatch.setattr(type(data), "extras_of", lambda self, i: read.append(i) or {})
    for epoch in range(3):
        excerpts.__getitems__(list(range(4 * epoch, 4 * epoch + 4)))
    assert sorted(read) == [0, 1, 2, 3]


def test_a_part_of_a_split_keeps_them(wham):
    data = build_dataset(wham, "train", item_transforms=[Loudness()])
    assert data.only([2]).extras["length"] == data[2]["mix"].signal_length


def test_they_reach_features_network_and_losses():
    class ByLabel(Features):
        def __call__(self, batch):
            none = torch.zeros(len(batch["mix"]), 2)  # in separation
            return {"mix_audio": batch["mix"], "label": batch.get("label", none) + 1}

    read = {}

    def network(data):
        read.update(data)
        return {"audio": data["mix_audio"]}

    forward = Forward(network, ByLabel(), torch.device("cpu"), None)
    waveforms = {"mix": torch.zeros(3, 1, 9), "label": torch.ones(3, 2), "pitch": torch.ones(3)}
    _, data = forward(waveforms)
    assert torch.equal(read["label"], torch.full((3, 2), 2.0))  # the features' own counts
    assert torch.equal(data["pitch"], torch.ones(3)) and "mix" not in data


@pytest.mark.parametrize(
    ("transform", "sentence"),
    [
        (
            MadeLouder(),
            "item_transforms: MadeLouder changes the mix or the sources; it belongs into",
        ),
        (SumSources([["s1", "s2"]]), "SumSources changes the mix or the sources"),
        (Adds(speaker="anna"), "adds 'speaker' = anna, which can't stand in a batch"),
        (Adds(index=3), "adds 'index' = 3, which can't stand in a batch: give it another name"),
        (len, "item_transforms: len must return the dict that it is called with"),
    ],
)
def test_what_can_not_go_along_is_told(wham, transform, sentence):
    with pytest.raises(ConfigError, match=sentence):
        _ = build_dataset(wham, "train", item_transforms=[transform]).extras


def test_a_transform_that_fails_names_the_track(wham):
    data = build_dataset(wham, "train", item_transforms=[LabelsToOneHot("stems")])
    data.item_transforms.insert(0, lambda item: {**item, "metadata": {}})
    with pytest.raises(ConfigError, match="track '0' .*LabelsToOneHot of .* fails .*labels"):
        _ = data.extras


def test_arrays_of_several_shapes_are_told(wham):
    data = build_dataset(wham, "train", item_transforms=[WholeMix()])
    with pytest.raises(ConfigError, match=r"track '\d' .*'whole': .* needs them alike"):
        batches(data)


@pytest.mark.parametrize(
    ("bindings", "sentence"),
    [
        (
            (
                "build_dataset.item_transforms = [@LabelsToOneHot()]",
                "train.remix = @RemixStems()",
                "RemixStems.incoherent_fraction = 0.5",
                "RemixStems.min_gain_db = -3.0",
                "RemixStems.max_gain_db = 3.0",
                "RemixStems.seed = 0",
            ),
            "train.remix mixes sources of several items, which build_dataset.item_transforms' "
            "one_hot_labels don't describe",
        ),
        (
            ("train/build_dataset.item_transforms = [@LabelsToOneHot()]",),
            "add ['one_hot_labels'] to train.train_data and [] to train.val_data; bind them without",
        ),
    ],
)
def test_labels_that_would_not_be_true_are_told(instantiate, capsys, bindings, sentence):
    (run,) = instantiate(*QUICK)
    assert sentence in told(capsys, "train", run.config, *bindings)
    assert not run.checkpoints.exists()
