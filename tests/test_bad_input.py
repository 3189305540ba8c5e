"""Bad data through the real entry point: one sentence that names the file, and nothing lost."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support import road

SPLIT = "wav8k/min/tr"


def first(root, folder="mix_clean", split=SPLIT):
    return sorted((root / split / folder).iterdir())[0]


def remove_corpus(root):
    shutil.rmtree(root)


def empty_split(root):
    for path in (root / SPLIT).glob("*/*.wav"):
        path.unlink()


def garbage(root):
    first(root).write_bytes(b"this is no audio")


def zero_length(root):
    soundfile.write(first(root), np.zeros(0), 8000)


def empty_file(root):
    first(root).write_bytes(b"")


def other_rate(root):
    audio, _ = soundfile.read(first(root, "s1"))
    soundfile.write(first(root, "s1"), audio, 16000)


def other_length(root):
    audio, _ = soundfile.read(first(root, "s2"))
    soundfile.write(first(root, "s2"), audio[:-100], 8000)


def not_a_number(root):
    audio, _ = soundfile.read(first(root, "s1"))
    audio[50] = np.nan
    soundfile.write(first(root, "s1"), audio, 8000, subtype="FLOAT")


def missing_stem(root):
    first(root, "s2").unlink()


@pytest.fixture
def corpus(speech, tmp_path):
    root = tmp_path / "wham"
    shutil.copytree(speech, root)
    return root


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (remove_corpus, "there is no folder"),
        (empty_split, "is empty; check the"),
        (garbage, "can't be read as audio"),
        (zero_length, "has no samples"),
        (empty_file, "can't be read as audio"),
        (other_rate, "16000 Hz"),
        (other_length, "samples, its mix has"),
        (not_a_number, "has NaN or infinite samples"),
        (missing_stem, "s2"),
    ],
)
@pytest.mark.parametrize("command", ["cache", "train"])
def test_damaged_training_data_is_told_before_anything_is_written(
    instantiate, corpus, tmp_path, capsys, command, damage, sentence
):
    (run,) = instantiate(f"WHAM_ROOT = '{corpus}'", "train.batch_size = 12")
    name = first(corpus).stem
    damage(corpus)
    code = road.call(command, run.config, check=False)
    error = capsys.readouterr().err
    assert sentence in error
    assert code == (1 if command == "cache" and "failed, all others" in error else 2)
    if damage not in (remove_corpus, empty_split):
        assert name in error
    assert not list(run.folder.glob("checkpoints/*"))
    assert not list(tmp_path.glob("cache/*/train"))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_late_damaged_track_is_named_from_within_a_data_worker(
    instantiate, corpus, capsys, num_workers
):
    (run,) = instantiate(
        f"WHAM_ROOT = '{corpus}'", f"train.num_data_workers = {num_workers}", "train.num_epochs = 1"
    )
    victim = sorted((corpus / SPLIT / "s1").iterdir())[7]
    victim.write_bytes(b"this is no audio")
    assert road.call("train", run.config, check=False) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("main.py train: ")
    assert victim.stem in line


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b"no audio"), Path.unlink, cut_in_half]
)
def test_a_damaged_test_track_fails_by_name_after_all_others_are_scored(
    instantiate, corpus, capsys, damage
):
    oracle = "evaluate.separator = @nussl.separation.benchmark.IdealBinaryMask()"
    (run,) = instantiate(f"WHAM_ROOT = '{corpus}'", oracle)
    victim = sorted((corpus / "wav8k/min/tt/mix_clean").iterdir())[2]
    whole = victim.read_bytes()
    damage(victim)
    assert road.call("evaluate", run.config, check=False) == 1
    assert victim.stem in capsys.readouterr().err
    assert len(list(run.results.glob("*.json"))) == 3
    victim.write_bytes(whole)
    road.call("evaluate", run.config)
    assert len(list(run.results.glob("*.json"))) == 4


def test_a_silent_source_is_left_out_of_the_card_and_counted(instantiate, corpus):
    oracle = "evaluate.separator = @nussl.separation.benchmark.IdealBinaryMask()"
    (run,) = instantiate(f"WHAM_ROOT = '{corpus}'", oracle)
    folder = corpus / "wav8k/min/tt"
    name = first(corpus, split="wav8k/min/tt").name
    audio, _ = soundfile.read(folder / "s1" / name)
    soundfile.write(folder / "s2" / name, np.zeros_like(audio), 8000)
    soundfile.write(folder / "mix_clean" / name, audio, 8000)
    road.call("evaluate", run.config)
    road.call("analyze", run.config)
    card = run.report_card_txt.read_text()
    assert "SI-SDR: 1 not defined (NaN)" in card
    assert "nan" not in card.split("MEAN")[1].split("Left out")[0]


def test_silence_can_be_trained_on(instantiate, corpus):
    """Songs and dialogues have silent stretches; a loss that is NaN there would end a training."""
    for folder in ("s1", "s2", "mix_clean"):
        for path in sorted((corpus / SPLIT / folder).iterdir())[:4]:
            soundfile.write(path, np.zeros(8000), 8000)
    (run,) = instantiate(f"WHAM_ROOT = '{corpus}'", "train.num_epochs = 1")
    road.call("train", run.config)


def test_a_cache_of_another_task_is_left_alone(instantiate, tmp_path, capsys):
    (run,) = instantiate("train.num_epochs = 1", "train.epoch_length = 1")
    road.call("cache", run.config)
    before = {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    road.call("train", run.config, "SOURCES = ['s1']", "NUM_SOURCES = 1", "train.handlers = []")
    assert "no cache is filled" in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in before}


def test_a_truncated_cache_is_refused(instantiate, tmp_path, capsys):
    (run,) = instantiate()
    road.call("cache", run.config)
    (data,) = tmp_path.glob("cache/*/train/waveforms.bin")
    data.write_bytes(data.read_bytes()[:1000])
    assert road.call("train", run.config, check=False) == 2
    assert str(data) in capsys.readouterr().err
