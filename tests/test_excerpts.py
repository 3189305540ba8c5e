"""Excerpts depend on (seed, epoch, number) only, whoever reads them and from where."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from audition.datasets import EpochBatches, Excerpts, batch_collate, build_dataset, waveform_cache
from audition.datasets.corpora import WHAM, MixSourceFolder, OnTheFly
from audition.errors import ConfigError
from tests.support.corpora import NoiseMix, write_folders, write_wham

LENGTHS = (8000, 12000, 900, 10001, 3000)


@pytest.fixture(params=["cached", "from files"])
def corpus(request, tmp_path):
    dataset = WHAM(str(write_wham(tmp_path / "wham", LENGTHS)))
    corpus = build_dataset(dataset, "train", (), tmp_path / "cache")
    if request.param == "cached":
        waveform_cache.fill(corpus)
    return corpus


def find(piece, whole):
    """Start of `piece` in `whole`; both `(signal, sample)`."""
    length = min(piece.shape[-1], whole.shape[-1])
    starts = np.flatnonzero(whole[0, : whole.shape[-1] - length + 1] == piece[0, 0])
    return next(s for s in starts if np.array_equal(whole[:, s : s + length], piece[:, :length]))


def test_an_excerpt_is_a_piece_of_its_item(corpus):
    excerpts = Excerpts(corpus, 2000, seed=0)
    assert len(excerpts) == len(LENGTHS)
    starts = []
    for g in range(3 * len(excerpts)):
        item = excerpts[g]
        assert item["mix"].shape == (1, 2000) and item["sources"].shape == (2, 1, 2000)
        assert item["mix"].dtype == item["sources"].dtype == torch.float32
        piece = torch.cat([item["mix"], item["sources"][:, 0]]).numpy()
        starts.append(find(piece, corpus.waveforms(int(item["index"]))[:, 0]))
        assert not piece[:, corpus.waveforms(int(item["index"])).shape[-1] :].any()
    assert len(set(starts)) > 8


def test_every_epoch_reads_every_item_in_another_order(corpus):
    excerpts = Excerpts(corpus, 500, seed=0)
    epochs = [[int(excerpts[5 * e + i]["index"]) for i in range(5)] for e in range(4)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_seed_and_epoch_decide(corpus):
    first, again, other = (Excerpts(corpus, 500, seed) for seed in (0, 0, 1))
    assert torch.equal(first.__getitems__(range(20))["mix"], again.__getitems__(range(20))["mix"])
    assert not torch.equal(first.__getitems__(range(5))["mix"], other.__getitems__(range(5))["mix"])
    assert not torch.equal(
        first.__getitems__(range(5))["mix"], first.__getitems__(range(5, 10))["mix"]
    )


def test_a_batch_is_its_excerpts_stacked(corpus):
    excerpts = Excerpts(corpus, 700, seed=0)
    batch = excerpts.__getitems__([7, 2, 11])
    for b, g in enumerate([7, 2, 11]):
        for key, value in excerpts[g].items():
            assert torch.equal(batch[key][b], value)
    assert batch["mix"].is_contiguous() and batch["sources"].is_contiguous()


def test_the_cache_gives_what_the_files_give(tmp_path):
    corpus = build_dataset(WHAM(str(write_wham(tmp_path / "w", LENGTHS))), "a", (), tmp_path / "c")
    from_files = Excerpts(corpus, 2000, 0).__getitems__(range(10))
    waveform_cache.fill(corpus)
    from_cache = Excerpts(corpus, 2000, 0).__getitems__(range(10))
    assert all(torch.equal(from_files[key], from_cache[key]) for key in from_files)


def test_stereo(tmp_path):
    corpus = build_dataset(MixSourceFolder(str(write_folders(tmp_path / "f"))), "train")
    batch = Excerpts(corpus, 5000, 0).__getitems__([0, 1])
    assert batch["mix"].shape == (2, 2, 5000) and batch["sources"].shape == (2, 2, 2, 5000)
    np.testing.assert_allclose(batch["sources"].sum(1), batch["mix"], atol=1e-4)


def load(excerpts, batches, num_workers, context=None):
    loader = DataLoader(
        excerpts,
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=batch_collate,
        multiprocessing_context=context,
    )
    return list(loader)


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_two_workers_make_the_same_batches(tmp_path, context):
    corpus = build_dataset(OnTheFly(NoiseMix(), 5), "train", (), tmp_path)
    waveform_cache.fill(corpus)
    excerpts = Excerpts(corpus, 1000, 0)
    excerpts[0]  # the map of this process must not reach the workers
    batches = EpochBatches(3, 4, 0, 2)
    alone, together = load(excerpts, batches, 0), load(excerpts, batches, 2, context)
    assert len(alone) == len(together) == 8
    for one, other in zip(alone, together, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_batches_go_on_where_they_stopped():
    whole = list(EpochBatches(3, 4, 0, 3))
    assert whole[:2] == [[0, 1, 2], [3, 4, 5]] and len(whole) == 12
    rest = EpochBatches(3, 4, 7, 3)
    assert list(rest) == whole[7:] and len(rest) == 5
    assert list(EpochBatches(3, 4, 12, 3)) == []


def test_batches_of_nothing():
    with pytest.raises(ConfigError, match="EpochBatches.batch_size = 0 must be at least 1"):
        EpochBatches(0, 4, 0, 3)


def test_an_excerpt_needs_samples(corpus):
    with pytest.raises(ConfigError, match="excerpt"):
        Excerpts(corpus, 0, 0)
