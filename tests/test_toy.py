"""The toy corpora: layout, exact sums, determinism, and what a user reads when something is amiss."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audition.commands.make_toy_music import make_toy_music
from audition.commands.make_toy_speech import FOLDERS, SPLITS, SUMS, draw_plan, make_toy_speech
from audition.errors import ConfigError
from audition.toy.speech import VARIANTS

SPEECH = {"num_mixtures": {"tr": 3, "cv": 2, "tt": 2}, "seconds": 0.5}
MUSIC = {"num_songs": {"train": 2, "test": 1}, "seconds": 3.0, "sample_rate": 16000}
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    root = tmp_path_factory.mktemp("wham")
    make_toy_speech(None, root=root, sample_rates=(8000, 16000), modes=("min", "max"), **SPEECH)
    return root


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    root = tmp_path_factory.mktemp("musdb")
    make_toy_music(None, root=root, **MUSIC)
    return root


def read(path):
    audio, sample_rate = soundfile.read(path, dtype="int16")
    return audio.astype(int), sample_rate


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.wav")}


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_speech_has_the_layout_and_sums_of_wham(speech, sample_rate, mode):
    for split in SPLITS:
        folder = speech / f"wav{sample_rate // 1000}k" / mode / split
        names = sorted(path.name for path in (folder / "s1").iterdir())
        assert len(names) == SPEECH["num_mixtures"][split]
        assert sorted(path.name for path in folder.iterdir()) == sorted(FOLDERS)
        for name in names:
            audio = {}
            for part in FOLDERS:
                audio[part], rate = read(folder / part / name)
                assert rate == sample_rate
            for mix, parts in SUMS.items():
                np.testing.assert_array_equal(audio[mix], sum(audio[part] for part in parts))
                assert 0 < np.abs(audio[mix]).max() < 32767


def test_speech_names_tell_the_speakers_and_the_levels(speech):
    for path in speech.rglob("wav8k/min/*/s1/*.wav"):
        first, level, second, negative = path.stem.split("_")
        assert float(level) == -float(negative)
        s1, s2 = (read(path.parent.parent / part / path.name)[0] for part in ("s1", "s2"))
        assert len(s1) == len(s2) and first != second


def test_max_is_padded_and_min_is_cut(speech):
    for path in speech.rglob("wav8k/min/*/s1/*.wav"):
        longer = Path(str(path).replace("/min/", "/max/"))
        assert soundfile.info(longer).frames >= soundfile.info(path).frames


def test_no_voice_is_in_two_splits():
    voices = " ".join(v for split in VARIANTS.values() for v in split.values()).split()
    assert len(voices) == len(set(voices))


@pytest.mark.parametrize(("same_register", "registers"), [(0, {1}), (1, {0, 2})])
def test_same_register_chooses_who_speaks_with_whom(same_register, registers):
    low = " ".join(split["low"] for split in VARIANTS.values()).split()
    for index in range(20):
        plan = draw_plan(np.random.default_rng(index), "tt", index, same_register)
        assert sum(speaker.variant in low for speaker in plan.speakers) in registers
        assert len({speaker.variant for speaker in (*plan.speakers, *plan.babblers)}) == 4


def test_speech_is_the_same_with_workers_and_in_any_order(speech, tmp_path):
    make_toy_speech(None, root=tmp_path, num_workers=2, **SPEECH)
    files = contents(tmp_path)
    assert files == {name: data for name, data in contents(speech).items() if name in files}
    assert len(files) == 7 * len(FOLDERS)


def test_another_seed_is_another_corpus(speech, tmp_path):
    make_toy_speech(None, root=tmp_path, seed=1, **SPEECH)
    assert not set(contents(tmp_path)) & set(contents(speech))


def test_finished_files_are_kept_and_missing_ones_made_again(music):
    before = contents(music)
    times = {path: (music / path).stat().st_mtime_ns for path in before}
    lost = next(iter(before))
    (music / lost).unlink()
    make_toy_music(None, root=music, **MUSIC)
    assert contents(music) == before
    kept = [path for path in before if path.parent != lost.parent]
    assert all((music / path).stat().st_mtime_ns == times[path] for path in kept)


def test_music_has_the_layout_and_sums_of_musdb(music):
    songs = sorted(music.glob("*/*"))
    assert [song.parent.name for song in songs] == ["test", "train", "train"]
    for song in songs:
        assert song.name.count(" - ") == 1
        mixture, sample_rate = read(song / "mixture.wav")
        assert sample_rate == 16000 and mixture.shape == (48000, 2)
        stems = [read(song / f"{stem}.wav")[0] for stem in STEMS]
        assert all(np.abs(stem).max() > 0 for stem in stems)
        np.testing.assert_array_equal(mixture, sum(stems))


def test_music_is_the_same_with_workers(music, tmp_path):
    make_toy_music(None, root=tmp_path, num_workers=2, **MUSIC)
    assert contents(tmp_path) == contents(music)


def test_nussl_reads_the_toy_corpora(speech, music):
    import nussl

    for split, count in SPEECH["num_mixtures"].items():
        wham = nussl.datasets.WHAM(str(speech), split=split)
        assert len(wham) == count and set(wham[0]["sources"]) == {"s1", "s2"}
    musdb = nussl.datasets.MUSDB18(str(music), is_wav=True, subsets=["train"])
    assert len(musdb) == 2 and set(musdb[0]["sources"]) == set(STEMS)


def test_a_corpus_of_other_settings_is_refused(speech, music):
    with pytest.raises(ConfigError, match=r"make_toy_speech\.root .* other settings \(.*seconds"):
        make_toy_speech(None, root=speech, **{**SPEECH, "seconds": 0.6})
    with pytest.raises(ConfigError, match=r"make_toy_music\.root .* other settings \(seed differ"):
        make_toy_music(None, root=music, seed=5, **MUSIC)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "wav8k").mkdir()
    with pytest.raises(ConfigError, match="holds files but no toy_speech.json"):
        make_toy_speech(None, root=tmp_path, **SPEECH)


@pytest.mark.parametrize(
    ("package", "command", "sizes"),
    [
        ("espeakng_loader", make_toy_speech, SPEECH),
        ("tinysoundfont", make_toy_music, MUSIC),
        ("pretty_midi", make_toy_music, MUSIC),
    ],
)
def test_a_missing_package_is_named(package, command, sizes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=f"{package}.*pip install --no-deps -r requirements-toy"):
        command(None, root=tmp_path / "corpus", **sizes)
    assert not (tmp_path / "corpus").exists()


def test_unknown_sizes_are_named(tmp_path):
    with pytest.raises(ConfigError, match="make_toy_speech.num_mixtures has 'train'"):
        make_toy_speech(None, root=tmp_path, num_mixtures={"train": 1})
    with pytest.raises(ConfigError, match="make_toy_music.num_songs has 'tt'"):
        make_toy_music(None, root=tmp_path, num_songs={"tt": 1})
    with pytest.raises(ConfigError, match="make_toy_speech.sample_rates has 44100"):
        make_toy_speech(None, root=tmp_path, sample_rates=(44100,), **SPEECH)
