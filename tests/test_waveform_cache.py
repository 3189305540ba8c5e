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
from audition.datasets.waveform_cache import filling
from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.parallel import ItemsFailed
from tests.support.corpora import NoiseMix, noise, write, write_folders, write_musdb, write_wham


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


def home(corpus):
    return waveform_cache.home(corpus)


def hidden_folders(root):
    return [path.name for path in root.rglob(".*") if path.is_dir()]


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
    before = (home(filled) / "waveforms.bin").stat().st_mtime_ns
    assert not waveform_cache.fill(filled)
    assert (home(filled) / "waveforms.bin").stat().st_mtime_ns == before


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


def test_every_task_and_data_set_has_its_own_cache_under_one_root(filled, root, tmp_path):
    write_wham(tmp_path / "other", lengths=(8000, 12000, 9000, 10002), seed=1)
    others = [
        build(root, tmp_path / "cache", mix_folder="mix_both"),
        build(root, tmp_path / "cache", [LongerThan(1.2)]),
        build(root, tmp_path / "cache", transform=KeepSources(["s1"])),
        build(tmp_path / "other", tmp_path / "cache"),
        *(build_dataset(OnTheFly(NoiseMix(k), 3), "train", (), tmp_path / "cache") for k in (0, 1)),
        build(root, tmp_path / "cache", name="val"),
    ]
    for other in others:
        assert waveform_cache.open(other) is None
        assert waveform_cache.fill(other)
        assert_holds(other)
    assert len({home(one) for one in [filled, *others]}) == 8
    assert_holds(filled)


def in_the_place_of_earlier_versions(corpus):
    """Without checksums, as earlier versions left it."""
    folder = home(corpus).rename(corpus.cache_root / corpus.name)
    manifest = read_json(folder / "manifest.json")
    write_json(folder / "manifest.json", {key: manifest[key] for key in ("content", "files")})
    (folder / "states.bin").unlink()
    return folder


def test_a_cache_of_an_earlier_version_is_read_where_it_fits(filled, root, tmp_path):
    folder = in_the_place_of_earlier_versions(filled)
    assert home(filled) == folder and not waveform_cache.fill(filled)
    assert_holds(filled)
    assert list(waveform_cache.defects(folder)) == []
    other = build(root, tmp_path / "cache", mix_folder="mix_both")
    assert waveform_cache.open(other) is None and waveform_cache.fill(other)
    assert_holds(other)
    assert_holds(filled)


def test_other_code_of_the_dataset_is_named_and_cache_fills_it_anew(filled, caplog):
    manifest = home(filled) / "manifest.json"
    written = read_json(manifest)
    module = "audition.datasets.corpora"
    write_json(manifest, {**written, "code": {**written["code"], module: "of then"}})
    assert refusal(filled).endswith(
        f"was filled before {module} changed: run cache again, which fills it anew."
    )
    with caplog.at_level("INFO"):
        assert waveform_cache.fill(filled)
    assert f"was filled before {module} changed: again" in caplog.text
    assert read_json(manifest)["code"] == written["code"]
    assert_holds(filled)


def test_files_of_another_size_in_their_place_are_named(filled, root, tmp_path):
    before = home(filled)
    write(root / "wav8k/min/tr/s1/3.wav", noise(0, 10002))
    write(root / "wav8k/min/tr/mix_clean/3.wav", noise(0, 10002))
    corpus = build(root, tmp_path / "cache")
    sentence = refusal(corpus)
    assert "2 of 12 files: mix_clean/3.wav, s1/3.wav, were replaced since" in sentence
    assert str(before) in sentence and "run cache again" in sentence
    write(root / "wav8k/min/tr/s2/3.wav", noise(0, 10002))
    assert waveform_cache.fill(build(root, tmp_path / "cache"))
    assert_holds(build(root, tmp_path / "cache"))


def test_other_audio_in_a_file_of_the_same_size_is_named(filled, root, tmp_path):
    write(root / "wav8k/min/tr/s2/1.wav", noise(7, 12000))
    sentence = refusal(build(root, tmp_path / "cache"))
    assert "1 of 12 files: s2/1.wav, were replaced since" in sentence
    assert "delete that folder and run cache again" in sentence and str(home(filled)) in sentence


def test_copied_files_are_compared_once(filled, root, tmp_path, caplog):
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(tmp_path / "copy/wav8k/min/tr/s2/1.wav", ns=(1, 1))
    caplog.set_level("INFO")
    corpus = build(tmp_path / "copy", tmp_path / "cache")
    assert_holds(corpus)
    assert "12 of 12 files" in caplog.text and "comparing the audio of 4 items" in caplog.text
    caplog.clear()
    assert_holds(corpus)
    assert "comparing" not in caplog.text


def test_refuses_other_audio_under_the_same_names_sizes_and_times(filled, root, tmp_path):
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*.wav")}
    shutil.rmtree(root)
    write_wham(root, seed=1)
    for path, time_ns in times.items():
        os.utime(path, ns=(time_ns, time_ns))
    assert "holds different audio for" in refusal(build(root, tmp_path / "cache"))


@pytest.mark.parametrize("name", ["waveforms.bin", "index.bin", "states.bin", "manifest.json"])
def test_a_flipped_bit_is_found(filled, name):
    path = home(filled) / name
    content = bytearray(path.read_bytes())
    for place in (0, len(content) // 2, len(content) - 2):
        content[place] ^= 2
        path.write_bytes(content)
        (sentence,) = waveform_cache.defects(home(filled))
        assert str(path) in sentence and f"delete {home(filled)} and run cache again" in sentence
        if name != "waveforms.bin":  # which a training looks at in the background
            assert refusal(filled) == sentence
        content[place] ^= 2
    path.write_bytes(content)
    assert list(waveform_cache.defects(home(filled))) == []


def test_refuses_a_truncated_file_and_a_missing_one(filled):
    data = home(filled) / "waveforms.bin"
    os.truncate(data, data.stat().st_size - 1)
    assert re.search(r"waveforms.bin is missing, or isn't \d+ bytes long", refusal(filled))
    data.unlink()
    assert "waveforms.bin is missing" in refusal(filled)


def test_refuses_a_folder_that_is_no_cache(filled):
    (home(filled) / "manifest.json").unlink()
    assert "has no manifest.json" in refusal(filled)
    with pytest.raises(ConfigError, match="has no manifest.json"):
        waveform_cache.fill(filled)
    assert (home(filled) / "waveforms.bin").exists()


def fill_slowly(corpus):
    filling.encode = lambda waveforms: time.sleep(60)
    waveform_cache.fill(corpus)


def test_a_killed_fill_leaves_nothing_that_passes_for_a_cache(corpus):
    process = multiprocessing.get_context("fork").Process(target=fill_slowly, args=(corpus,))
    process.start()
    while not hidden_folders(corpus.cache_root):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert hidden_folders(corpus.cache_root)
    assert waveform_cache.open(corpus) is None
    neighbour = home(corpus).with_name(".val.filling.x")
    neighbour.mkdir()
    waveform_cache.fill(corpus)
    assert hidden_folders(corpus.cache_root) == [neighbour.name]
    assert_holds(corpus)


def test_two_fills_at_once_make_one_cache(corpus):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=waveform_cache.fill, args=(corpus,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not hidden_folders(corpus.cache_root)
    assert_holds(corpus)


def test_a_full_disk(corpus, monkeypatch):
    def no_space(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(filling, "write_json", no_space)
    with pytest.raises(ConfigError, match="disk of .* is full.*train/build_dataset.cache_root"):
        waveform_cache.fill(corpus)
    assert not home(corpus).exists() and not hidden_folders(corpus.cache_root)


def test_a_crash_that_speaks_of_a_mistake_is_a_crash(corpus, monkeypatch):
    def crash(waveforms):
        raise ValueError("ConfigError: is no reason")

    monkeypatch.setattr(filling, "encode", crash)
    with pytest.raises(ItemsFailed, match="ValueError: ConfigError: is no reason"):
        waveform_cache.fill(corpus)


def test_bad_files_are_all_named_and_no_cache_is_left(root, tmp_path):
    corpus = build(root, tmp_path / "cache")
    for i in (1, 3):
        (root / "wav8k/min/tr/s1" / f"{i}.wav").write_bytes(b"no wav")
    with pytest.raises(ConfigError, match=r"was not made: .*s1/1.wav can't be read"):
        waveform_cache.fill(corpus)
    assert not home(corpus).exists()


def test_the_manifest_names_no_path(filled, tmp_path):
    manifest = (home(filled) / "manifest.json").read_text()
    assert str(tmp_path) not in manifest
    assert json.loads(manifest)["content"]["num_items"] == 4


def test_the_command(root, tmp_path, caplog):
    caplog.set_level("INFO")
    corpora = [build(root, tmp_path / "cache", name=name) for name in ("train", "val")]
    cache(None, corpora)
    assert re.search(r"cache/WHAM-\w+/val: 4 items, 0.\d+ MB, filled in", caplog.text)
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
    assert waveform_cache.open(other) is None
    assert home(other).parent.name.startswith("MixSourceFolder-")
