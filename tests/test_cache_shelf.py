"""cache --list and --prune: what is said of the caches in a root, and which of them are deleted."""

import shutil

import numpy as np
import pytest
import soundfile

import main
from audition.datasets import build_dataset, waveform_cache
from audition.datasets.corpora import WHAM
from audition.datasets.waveform_cache import filling, shelf
from audition.files import write_json
from tests.support import road
from tests.support.corpora import write_wham
from tests.support.training import QUICK, told


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def filled(tmp_path, root):
    """Caches of two tasks, by name."""
    wham = str(write_wham(tmp_path / "wham"))
    found = {}
    for name, task in (("clean", "mix_clean"), ("noisy", "mix_both")):
        split = build_dataset(WHAM(wham, task), "train", (), root)
        waveform_cache.fill(split)
        found[name] = waveform_cache.home(split)
    return found


def read_by(folder, run_folder):
    run_folder.mkdir(exist_ok=True)
    shelf.note_reader(folder, run_folder)
    return run_folder


def said(capsys, root, *flags):
    """What the command prints; all it is given is a line as in an env.gin."""
    assert main.main(["cache", *flags, "-b", f"CACHE_ROOT = '{root}'"]) == 0
    return capsys.readouterr().out


def test_the_list_says_for_whom_and_how_large(filled, root, tmp_path, capsys):
    run = read_by(filled["clean"], tmp_path / "run0")
    read_by(filled["clean"], run)
    text = said(capsys, root, "--list")
    assert f"{root} holds 2 caches, 0.5" in text
    sizes = [f"{waveform_cache.size_of(folder) / 1e6:.3g} MB" for folder in filled.values()]
    assert f"{filled['clean']}: {sizes[0]}, 4 items of s1, s2 at 8000 Hz" in text
    assert f"{filled['noisy']}: {sizes[1]}, 4 items of noise, s1, s2 at 8000 Hz" in text
    assert "WHAM(mix_folder=mix_both, " in text
    assert text.count(f"read by {run}\n") == 1 and text.count("read by no run yet") == 1


def test_prune_deletes_what_only_runs_read_that_are_gone(filled, root, tmp_path, capsys):
    first, second = (read_by(filled["clean"], tmp_path / name) for name in ("run0", "run1"))
    shutil.rmtree(first)
    assert "deleted" not in said(capsys, root, "--prune") and all(map(exists, filled.values()))
    shutil.rmtree(second)
    assert f"deleted {filled['clean']}" in said(capsys, root, "--prune")
    assert not exists(filled["clean"]) and not exists(filled["clean"].parent)
    assert exists(filled["noisy"])  # which its first reader is yet to read


def exists(folder):
    return folder.exists()


def test_a_run_of_another_host_is_not_gone(filled, root, capsys):
    (filled["clean"] / "readers.txt").write_text("elsewhere\t/scratch/run0\n")
    said(capsys, root, "--prune")
    assert exists(filled["clean"])


def test_prune_deletes_what_is_named(filled, root, capsys):
    by_name = filled["clean"].relative_to(root).as_posix()
    said(capsys, root, "--prune", by_name, str(filled["noisy"]))
    assert not any(map(exists, filled.values()))


def test_a_name_that_is_none_is_told_before_anything_is_deleted(filled, root, capsys):
    words = ["cache", "--prune", str(filled["clean"]), "train", "-b", f"CACHE_ROOT = '{root}'"]
    assert main.main(words) == 2
    assert "there is no cache 'train': cache --list prints" in capsys.readouterr().err
    assert all(map(exists, filled.values()))


def test_prune_removes_what_a_killed_fill_left_but_not_what_is_being_filled(filled, root, capsys):
    left, busy = (folder.with_name(".train.filling.x") for folder in filled.values())
    for folder in (left, busy):
        folder.mkdir()
        (folder / "waveforms.bin").write_bytes(b"half")
    with filling.lock(filling.lock_of(filled["noisy"], root)):
        said(capsys, root, "--prune")
    assert not exists(left) and exists(busy) and all(map(exists, filled.values()))


def test_nothing_of_others_is_deleted(filled, root, tmp_path, capsys):
    write_json(root / "web" / "manifest.json", {"content": {}, "files": {}})
    write_json(root / "0123456789abcdef.json", [0.5])  # a table of loud regions
    note = filled["clean"] / "note.txt"
    note.write_text("mine")
    words = ["cache", "--prune", str(filled["clean"]), "-b", f"CACHE_ROOT = '{root}'"]
    assert main.main(words) == 2
    assert "holds files that the cache command didn't write" in capsys.readouterr().err
    said(capsys, root, "--prune")
    assert note.read_text() == "mine" and list(filled["clean"].iterdir()) == [note]
    assert exists(root / "web/manifest.json") and exists(root / "0123456789abcdef.json")


def test_a_damaged_cache_is_listed_and_can_be_pruned(filled, root, capsys):
    (filled["clean"] / "manifest.json").write_text('{"content": ')
    text = said(capsys, root, "--list")
    assert "damaged\n" in text and "manifest.json is damaged (it isn't JSON): delete" in text
    said(capsys, root, "--prune", str(filled["clean"]))
    assert not exists(filled["clean"])


def test_without_a_root_it_says_what_to_give(capsys):
    assert main.main(["cache", "--list"]) == 2
    assert "there is no CACHE_ROOT: give the env.gin" in capsys.readouterr().err


def test_the_flags_belong_to_cache(capsys):
    for flag in ("--list", "--prune"):
        with pytest.raises(SystemExit):
            main.main(["train", flag])
        assert "--list and --prune belong to cache" in capsys.readouterr().err


def test_runs_are_noted_when_they_fill_and_when_they_train(instantiate, tmp_path, capsys):
    first, second = instantiate("sweep.parameters = {'train.seed': [3, 4]}", *QUICK)
    road.call("cache", first.config)
    road.call("train", second.config)
    capsys.readouterr()
    text = said(capsys, tmp_path / "cache", "--list")
    assert text.count(f"read by {first.folder}, {second.folder}") == 2  # train and val
    assert main.main(["cache", "--list", "-c", str(first.config)]) == 0
    assert capsys.readouterr().out == text
    shutil.rmtree(first.folder)
    shutil.rmtree(second.folder)
    said(capsys, tmp_path / "cache", "--prune")
    assert not list((tmp_path / "cache").glob("*/"))


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_training_finds_a_flipped_bit_in_the_waveforms(instantiate, tmp_path, capsys, split):
    (run,) = instantiate(*QUICK)
    road.call("cache", run.config)
    (path,) = tmp_path.glob(f"cache/*/{split}/waveforms.bin")
    content = bytearray(path.read_bytes())
    content[3 * len(content) // 8] ^= 1  # in none of the items that are compared on opening
    path.write_bytes(content)
    line = told(capsys, "train", run.config)
    assert f"{path} is damaged (it doesn't fit its checksum): delete {path.parent}" in line


def test_a_training_whose_data_were_replaced_names_the_files(instantiate, speech, tmp_path, capsys):
    corpus = shutil.copytree(speech, tmp_path / "corpus")
    (run,) = instantiate(f"WHAM_ROOT = '{corpus}'", *QUICK)
    road.call("cache", run.config)
    path = sorted(corpus.glob("wav8k/min/tr/s1/*.wav"))[3]
    audio, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, np.roll(audio, 1), rate)
    line = told(capsys, "train", run.config)
    assert f"files: s1/{path.name}, were replaced since the waveform cache" in line
    assert "delete that folder and run cache again" in line
