"""The toy corpora: layout, exact sums, determinism, and what a user reads when something is amiss."""

import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audition.commands.make_toy_music import make_toy_music
from audition.commands.make_toy_speech import SPLITS, draw_plan, folders_and_sums, make_toy_speech
from audition.errors import ConfigError
from audition.toy.acoustics import place, room_response, wander
from audition.toy.music import PROGRAMS, PROGRESSIONS, SECTIONS
from audition.toy.phrases import PHRASES
from audition.toy.speech import VOICES
from tests.support import road

SPEECH = {"num_mixtures": {"tr": 3, "cv": 2, "tt": 2}, "seconds": 0.5}
MUSIC = {"num_songs": {"train": 2, "valid": 1, "test": 1}, "seconds": 3.0, "sample_rate": 16000}
FOLDERS = folders_and_sums(2)
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
    check_sums(speech / f"wav{sample_rate // 1000}k" / mode, sample_rate, FOLDERS)


def check_sums(folder, sample_rate, sums):
    for split in SPLITS:
        names = sorted(path.name for path in (folder / split / "s1").iterdir())
        assert len(names) == SPEECH["num_mixtures"][split]
        assert {path.name for path in (folder / split).iterdir()} == set(sums)
        for name in names:
            read_both = {part: read(folder / split / part / name) for part in sums}
            assert {rate for _, rate in read_both.values()} == {sample_rate}
            audio = {part: one for part, (one, _) in read_both.items()}
            for mix, parts in sums.items():
                np.testing.assert_array_equal(audio[mix], sum(audio[part] for part in parts))
                assert 0 < np.abs(audio[mix]).max() < 32767


def test_three_voices_speak_at_once_and_a_corpus_keeps_its_number(tmp_path):
    make_toy_speech(None, root=tmp_path, num_speakers=3, **SPEECH)
    sums = folders_and_sums(3)
    assert sums["mix_clean"] == ("s1", "s2", "s3") and sums["s3"] == ("s3",)
    check_sums(tmp_path / "wav8k/min", 8000, sums)
    with pytest.raises(ConfigError, match="make_toy_speech.root"):
        make_toy_speech(None, root=tmp_path, num_speakers=2, **SPEECH)
    with pytest.raises(ConfigError, match="make_toy_speech.num_speakers has 4; it may hold 2, 3."):
        make_toy_speech(None, root=tmp_path, num_speakers=4, **SPEECH)


@pytest.mark.parametrize("split", VOICES)
def test_no_voice_is_heard_twice_in_a_mixture_of_three(split):
    for index in range(20):
        plan = draw_plan(np.random.default_rng(index), split, index, 0.5, num_speakers=3)
        assert len({speaker.variant for speaker in (*plan.speakers, *plan.babblers)}) == 5
        assert plan.levels_db[0] == -plan.levels_db[1] and plan.levels_db[2] == 0


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


def variants_of(split, register):
    return VOICES[split][register].variants.split()


def test_no_voice_is_in_two_splits():
    voices = [
        v for split in VOICES for register in VOICES[split] for v in variants_of(split, register)
    ]
    assert len(voices) == len(set(voices))


def test_no_two_splits_share_a_voice_under_two_names():
    spoken = {split: voice_files(split) for split in VOICES}
    for one, other in itertools.combinations(spoken, 2):
        assert not spoken[one] & spoken[other]


def voice_files(split):
    """What the files of a split's variants say of their sound."""
    import espeakng_loader

    folder = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    names = [name for register in VOICES[split] for name in variants_of(split, register)]
    texts = [(folder / name).read_text(errors="replace") for name in names]
    sound = r"^(?:formant|pitch|echo|breath|breathw|roughness|klatt|flutter|tone|voicing) .*"
    return {
        tuple(sorted(" ".join(line.split()) for line in re.findall(sound, text, re.MULTILINE)))
        for text in texts
    }


def test_no_word_is_in_two_splits():
    words = {split: long_words(languages) for split, languages in PHRASES.items()}
    assert all(len(words[split]) > 100 for split in words)
    for one, other in itertools.combinations(words, 2):
        assert not words[one] & words[other]


def long_words(languages):
    """Words of five letters or more; shorter ones are articles and prepositions."""
    texts = [phrases for language in languages.values() for phrases in language]
    return set(re.findall(r"\w{5,}", "|".join(texts).lower()))


def test_far_voices_speak_other_languages_with_another_synthesiser(tmp_path):
    sizes = {"num_mixtures": {"tt": 2}, "seconds": 0.5}
    make_toy_speech(None, root=tmp_path, far=True, **sizes)
    names = [path.name for path in (tmp_path / "wav8k/min/tt/s1").iterdir()]
    assert len(names) == 2
    assert not set(PHRASES["far"]) & set(PHRASES["tr"])
    assert all(name[:2] in PHRASES["far"] for name in names)


def test_a_voice_keeps_its_length_and_wanders():
    audio = np.sin(2 * np.pi * 200 * np.arange(22050) / 22050)
    heard = wander(np.random.default_rng(0), audio, 1.1, 22050)
    assert len(heard) == np.ceil(len(audio) / 1.1)
    crossings = np.flatnonzero(np.diff(np.sign(heard)) > 0)
    periods = np.diff(crossings)[1:-1]
    assert 0.01 < np.std(periods) / np.mean(periods) < 0.2
    np.testing.assert_allclose(np.mean(periods), 22050 / 220, rtol=0.05)


def test_a_room_rings_on_and_no_room_does_not():
    response = room_response(np.random.default_rng(0), 0.3, 8000)
    energy = np.square(response[1:]).reshape(-1, 240).sum(axis=1)  # of each 30 ms
    assert response[0] == 1 and np.sum(energy) < 1
    slope = np.polyfit(0.03 * np.arange(10), 10 * np.log10(energy), 1)[0]
    np.testing.assert_allclose(slope, -60 / 0.3, rtol=0.1)
    assert np.array_equal(room_response(np.random.default_rng(0), 0.0, 8000), [1.0])


def test_a_room_is_linear_so_that_its_sums_stay_sums():
    first, second = np.random.default_rng(1).standard_normal((2, 4000))
    heard = [
        place(np.random.default_rng(0), audio, 0.3, 8000)
        for audio in (first, second, first + second)
    ]
    np.testing.assert_allclose(heard[0] + heard[1], heard[2], atol=1e-9)
    assert len(heard[0]) == 4000


@pytest.mark.parametrize(("same_register", "registers"), [(0, {1}), (1, {0, 2})])
def test_same_register_chooses_who_speaks_with_whom(same_register, registers):
    low = variants_of("tt", "low")
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
    assert [song.parent.name for song in songs] == ["test", "train", "train", "train"]
    assert [song.name.endswith(" (Rehearsal)") for song in songs].count(True) == 1
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


def test_test_songs_share_no_program_form_or_chords_with_those_that_settings_are_chosen_on():
    train, test = PROGRAMS["train"], PROGRAMS["test"]
    assert all(not set(train[stem]) & set(test[stem]) for stem in train)
    assert not set(PROGRESSIONS["train"]) & set(PROGRESSIONS["test"])
    assert SECTIONS["train"] != SECTIONS["test"]


def test_songs_to_choose_on_and_to_test_on_end_up_apart(music, tmp_path):
    prepared = f"MUSDB_PREPARED = '{tmp_path / 'prepared'}'"
    configs = ("toy/env.gin", "musdb/prepare_16k.gin")
    road.call("prepare_musdb", *configs, f"MUSDB_ROOT = '{music}'", prepared)
    for split, count in MUSIC["num_songs"].items():
        assert len(list((tmp_path / "prepared" / split / "mixture").iterdir())) == count


def test_nussl_reads_the_toy_corpora(speech, music):
    import nussl

    for split, count in SPEECH["num_mixtures"].items():
        wham = nussl.datasets.WHAM(str(speech), split=split)
        assert len(wham) == count and set(wham[0]["sources"]) == {"s1", "s2"}
    musdb = nussl.datasets.MUSDB18(str(music), is_wav=True, subsets=["train"])
    assert len(musdb) == 3 and set(musdb[0]["sources"]) == set(STEMS)


def test_a_corpus_of_other_settings_is_refused(speech, music):
    with pytest.raises(ConfigError, match=r"make_toy_speech\.root .* other settings \(.*seconds"):
        make_toy_speech(None, root=speech, **{**SPEECH, "seconds": 0.6})
    with pytest.raises(ConfigError, match=r"make_toy_music\.root .* other settings \(seed differ"):
        make_toy_music(None, root=music, seed=5, **MUSIC)


def test_a_corpus_of_an_earlier_version_is_refused(tmp_path):
    settings = {"num_mixtures": SPEECH["num_mixtures"], "seconds": 0.5, "seed": 0}
    (tmp_path / "toy_speech.json").write_text(json.dumps(settings))
    with pytest.raises(
        ConfigError, match=r"make_toy_speech\.root .* version 1, and version 2 sounds"
    ):
        make_toy_speech(None, root=tmp_path, **SPEECH)


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
