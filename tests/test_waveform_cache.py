"""The waveform cache: what it holds, what it refuses, what a kill or a full disk leaves behind."""

import errno
import json
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import time

import numpy as np
import nussl
import pytest

from audition.commands.cache import cache
from audition.datasets import build_dataset, waveform_cache
from audition.datasets.corpora import MUSDB18, WHAM, MixSourceFolder, OnTheFly
from audition.datasets.filters import LongerThan
from audition.datasets.transforms import KeepSources
from audition.errors import ConfigError
from audition.parallel import ItemsFailed
from tests.support.corpora import NoiseMix, write_folders, write_musdb, write_wham


def build(root, cache_root, filters=(), name="train", **settings):
    return build_dataset(WHAM(str(root), **settings), name, filters, cache_root)


@pytest.fixture
def root(tmp_path):
    return write_wham(tmp_path / "wham")


@pytest.fixture
def corpus(root, tmp_path):
    return build(root, tmp_path / "cache")


@pytest.fixture
def filled(corpus):
    waveform_cache.fill(corpus)
    return corpus


def audio_in(cache, i):
    waveforms, scale = cache.waveforms(i)
    return waveforms * scale


def hidden_folders(folder):
    return [path.name for path in folder.iterdir() if path.is_dir() and path.name.startswith(".")]


def assert_holds(corpus):
    cache = waveform_cache.open(corpus)
    for i in range(len(corpus)):
        np.testing.assert_array_equal(audio_in(cache, i), corpus.waveforms(i))


@pytest.mark.parametrize("subtype, dtype", [("PCM_16", "int16"), ("FLOAT", "float32")])
def test_holds_exactly_the_audio_of_the_corpus(tmp_path, subtype, dtype):
    corpus = build(write_wham(tmp_path / "wham", subtype=subtype), tmp_path / "cache")
    assert waveform_cache.open(corpus) is None
    assert waveform_cache.fill(corpus)
    assert_holds(corpus)
    assert waveform_cache.open(corpus).waveforms(0)[0].dtype == dtype


def test_holds_stereo_and_music_and_mixtures_on_the_fly(tmp_path):
    datasets = {
        "folders": MixSourceFolder(str(write_folders(tmp_path / "folders"))),
        "musdb": MUSDB18(str(write_musdb(tmp_path / "musdb")), is_wav=True, subsets=["train"]),
        "fly": OnTheFly(NoiseMix(), 5),
    }
    for name, dataset in datasets.items():
        corpus = build_dataset(dataset, name, (), tmp_path / "cache")
        waveform_cache.fill(corpus)
        assert_holds(corpus)


def test_two_workers_fill_the_same_cache(corpus, root, tmp_path):
    waveform_cache.fill(corpus, num_workers=2)
    assert_holds(corpus)


def test_filling_again_changes_nothing(filled):
    before = (filled.cache_folder / "waveforms.bin").stat().st_mtime_ns
    assert not waveform_cache.fill(filled)
    assert (filled.cache_folder / "waveforms.bin").stat().st_mtime_ns == before


def test_a_moved_corpus_keeps_its_cache(filled, root, tmp_path):
    root.rename(tmp_path / "moved")
    assert waveform_cache.open(build(tmp_path / "moved", tmp_path / "cache"))


def test_the_map_does_not_travel(filled):
    cache = waveform_cache.open(filled)
    cache.waveforms(0)
    pickled = pickle.dumps(cache)
    assert len(pickled) < 3000
    np.testing.assert_array_equal(audio_in(pickle.loads(pickled), 1), audio_in(cache, 1))


def refusal(corpus):
    with pytest.raises(ConfigError) as caught:
        waveform_cache.open(corpus)
    return str(caught.value)


def test_refuses_a_cache_of_other_settings(filled, root, tmp_path):
    sentence = refusal(build(root, tmp_path / "cache", mix_folder="mix_both"))
    assert "made with other settings" in sentence and "train/build_dataset.cache_root" in sentence
    assert "source_names [s1, s2] where [noise, s1, s2] is asked for" in sentence
    assert "num_items 4 where 2" in refusal(build(root, tmp_path / "cache", [LongerThan(1.2)]))
    kept = build(root, tmp_path / "cache", transform=KeepSources(["s1"]))
    assert "transform None where KeepSources(names=[s1]) is asked for" in refusal(kept)


def test_refuses_a_cache_of_another_mix_closure(tmp_path):
    waveform_cache.fill(build_dataset(OnTheFly(NoiseMix(0), 3), "train", (), tmp_path))
    other = build_dataset(OnTheFly(NoiseMix(1), 3), "train", (), tmp_path)
    assert "mix_closure=NoiseMix(seed=0, num_samples=4000)" in refusal(other)
    assert "mix_closure=NoiseMix(seed=1, num_samples=4000)" in refusal(other)


def test_refuses_files_of_another_size(filled, root, tmp_path):
    shutil.rmtree(root)
    write_wham(root, lengths=(8000, 12000, 9000, 10002))
    assert "(items " in refusal(build(root, tmp_path / "cache"))


def test_refuses_other_audio_under_the_same_names(filled, root, tmp_path):
    shutil.rmtree(root)
    write_wham(root, seed=1)
    assert "holds different audio for" in refusal(build(root, tmp_path / "cache"))


def test_refuses_a_truncated_file_and_a_missing_one(filled):
    data = filled.cache_folder / "waveforms.bin"
    os.truncate(data, data.stat().st_size - 1)
    assert re.search(r"waveforms.bin is missing, or isn't \d+ bytes long", refusal(filled))
    data.unlink()
    assert "waveforms.bin is missing" in refusal(filled)


def test_refuses_a_folder_that_is_no_cache(filled):
    (filled.cache_folder / "manifest.json").unlink()
    assert "has no manifest.json" in refusal(filled)
    with pytest.raises(ConfigError, match="has no manifest.json"):
        waveform_cache.fill(filled)
    assert (filled.cache_folder / "waveforms.bin").exists()


def fill_slowly(corpus):
    waveform_cache.encode = lambda waveforms: time.sleep(60)
    waveform_cache.fill(corpus)


def test_a_killed_fill_leaves_nothing_that_passes_for_a_cache(corpus):
    process = multiprocessing.get_context("fork").Process(target=fill_slowly, args=(corpus,))
    process.start()
    while not (corpus.cache_folder.parent.exists() and hidden_folders(corpus.cache_folder.parent)):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert hidden_folders(corpus.cache_folder.parent)
    assert waveform_cache.open(corpus) is None
    neighbour = corpus.cache_folder.parent / ".val.filling.x"
    neighbour.mkdir()
    waveform_cache.fill(corpus)
    assert hidden_folders(corpus.cache_folder.parent) == [neighbour.name]
    assert_holds(corpus)


def test_two_fills_at_once_make_one_cache(corpus):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=waveform_cache.fill, args=(corpus,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not hidden_folders(corpus.cache_folder.parent)
    assert_holds(corpus)


def test_a_full_disk(corpus, monkeypatch):
    def no_space(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(waveform_cache, "write_json", no_space)
    with pytest.raises(ConfigError, match="disk of .* is full.*train/build_dataset.cache_root"):
        waveform_cache.fill(corpus)
    assert not corpus.cache_folder.exists() and not hidden_folders(corpus.cache_folder.parent)


def test_a_crash_that_speaks_of_a_mistake_is_a_crash(corpus, monkeypatch):
    def crash(waveforms):
        raise ValueError("ConfigError: is no reason")

    monkeypatch.setattr(waveform_cache, "encode", crash)
    with pytest.raises(ItemsFailed, match="ValueError: ConfigError: is no reason"):
        waveform_cache.fill(corpus)


def test_bad_files_are_all_named_and_no_cache_is_left(root, tmp_path):
    corpus = build(root, tmp_path / "cache")
    for i in (1, 3):
        (root / "wav8k/min/tr/s1" / f"{i}.wav").write_bytes(b"no wav")
    with pytest.raises(ConfigError, match=r"was not made: .*s1/1.wav can't be read"):
        waveform_cache.fill(corpus)
    assert not corpus.cache_folder.exists()


def test_the_manifest_names_no_path(filled, tmp_path):
    manifest = (filled.cache_folder / "manifest.json").read_text()
    assert str(tmp_path) not in manifest
    assert json.loads(manifest)["content"]["num_items"] == 4


def test_the_command(root, tmp_path, caplog):
    caplog.set_level("INFO")
    corpora = [build(root, tmp_path / "cache", name=name) for name in ("train", "val")]
    cache(None, corpora)
    assert re.search(r"cache/val: 4 items, 0.\d+ MB, filled in", caplog.text)
    caplog.clear()
    cache(None, corpora)
    assert caplog.text.count("already complete") == 2


def test_the_command_needs_a_place(root):
    with pytest.raises(ConfigError, match="train/build_dataset.cache_root is None"):
        cache(None, [build(root, None)])


def test_nussls_own_class_has_a_cache_of_its_own(filled, root, tmp_path):
    dataset = nussl.datasets.MixSourceFolder(
        str(root / "wav8k/min/tr"), "mix_clean", source_folders=["s1", "s2"]
    )
    other = build_dataset(dataset, "train", (), tmp_path / "cache")
    assert "dataset WHAM where MixSourceFolder is asked for" in refusal(other)
