"""prepare_musdb: layout, sums, splits, restarts, and what a user reads when something is amiss."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile
import soxr

from audition.commands.prepare_musdb import (
    STEMS,
    find_tracks,
    musdb_validation_titles,
    prepare_musdb,
)
from audition.errors import ConfigError
from audition.parallel import ItemsFailed
from tests.support import corpora, music

FOLDERS = {*STEMS, "accompaniment", "mixture"}


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return music.render(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="module")
def prepared(songs, tmp_path_factory):
    return music.prepare(songs, tmp_path_factory.mktemp("prepared") / "16k")


@pytest.fixture
def noise(tmp_path):
    """Two songs of noise, quick to prepare."""
    return corpora.write_musdb(tmp_path / "raw")


def read(path):
    return soundfile.read(path, dtype="int16", always_2d=True)


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.wav")}


def test_layout(songs, prepared):
    assert {path.name for path in prepared.iterdir() if path.is_dir()} == {"train", "valid", "test"}
    for split, count in {"train": 3, "valid": 1, "test": 1}.items():
        assert {path.name for path in (prepared / split).iterdir()} == FOLDERS
        for folder in (prepared / split).iterdir():
            names = [path.stem for path in folder.iterdir()]
            subset = "test" if split == "test" else "train"
            assert len(names) == count and all((songs / subset / name).is_dir() for name in names)
    assert all(path.stem.endswith(" 4") for path in (prepared / "valid").rglob("*.wav"))


def test_accompaniment_is_the_sum_of_its_stems(prepared):
    for path in prepared.rglob("accompaniment/*.wav"):
        stems = {name: read(path.parents[1] / name / path.name)[0] for name in FOLDERS}
        parts = sum(stems[name].astype(int) for name in ("drums", "bass", "other"))
        np.testing.assert_array_equal(stems["accompaniment"], parts)
        rest = stems["mixture"].astype(int) - parts - stems["vocals"]
        assert np.abs(rest).max() <= 3  # of 32768: each signal is rounded by itself


def test_the_audio_is_the_mean_of_the_channels_resampled(songs, prepared):
    path = next((prepared / "test" / "vocals").iterdir())
    audio, rate = soundfile.read(songs / "test" / path.stem / "vocals.wav")
    expected = soxr.resample(audio.mean(axis=1), rate, music.SAMPLE_RATE)
    written, new_rate = soundfile.read(path)
    assert new_rate == music.SAMPLE_RATE and written.shape == expected.shape
    assert np.abs(written - expected).max() < 1e-4


def test_same_rate_and_channels_keep_every_sample(noise, tmp_path):
    prepare_musdb(None, noise, tmp_path / "out", 44100, 2, num_workers=2)
    for path in (tmp_path / "out").glob("*/bass/*.wav"):
        raw, _ = read(noise / path.parents[1].name / path.stem / "bass.wav")
        np.testing.assert_array_equal(read(path)[0], raw)


def test_a_second_call_makes_only_what_is_missing(noise, tmp_path):
    out = tmp_path / "out"
    prepare_musdb(None, noise, out, 16000, 1)
    before = stamps(out)
    lost = out / "train" / "drums" / "Ann - One.wav"
    content = lost.read_bytes()
    lost.unlink()
    prepare_musdb(None, noise, out, 16000, 1)
    assert lost.read_bytes() == content
    changed = {path for path, stamp in stamps(out).items() if before[path] != stamp}
    assert {path.stem for path in changed} == {"Ann - One"}
    assert len(changed) == 6 and all(path.parts[-3] == "train" for path in changed)


def test_validation_songs_are_those_of_musdb(noise, tmp_path):
    title = musdb_validation_titles()[0]
    shutil.copytree(noise / "train" / "Ann - One", noise / "train" / title)
    prepare_musdb(None, noise, tmp_path / "out", 16000, 1)
    assert [path.stem for path in (tmp_path / "out" / "valid" / "bass").iterdir()] == [title]
    assert len(musdb_validation_titles()) == 14


def test_validation_titles_that_no_song_has(noise, tmp_path):
    with pytest.raises(ConfigError, match=r"validation_titles has 'Zoe - \*'"):
        prepare_musdb(None, noise, tmp_path / "out", 16000, 1, ["Ann*", "Zoe - *"])
    assert not (tmp_path / "out").exists()


def test_a_missing_stem_fails_and_the_other_songs_are_done(noise, tmp_path):
    (noise / "train" / "Ann - One" / "drums.wav").unlink()
    with pytest.raises(ItemsFailed, match=r"Ann - One has no drums\.wav"):
        prepare_musdb(None, noise, tmp_path / "out", 16000, 1)
    assert len(list((tmp_path / "out").rglob("*.wav"))) == 3 * len(FOLDERS)


def test_stems_of_different_lengths_fail(noise, tmp_path):
    corpora.write(noise / "test" / "Ann - One" / "bass.wav", corpora.noise(0, 100, 2), 44100)
    with pytest.raises(ItemsFailed, match="differ in length"):
        prepare_musdb(None, noise, tmp_path / "out", 16000, 1)


def test_other_settings_or_a_foreign_folder_are_refused(noise, tmp_path):
    out = tmp_path / "out"
    prepare_musdb(None, noise, out, 16000, 1)
    with pytest.raises(ConfigError, match=r"destination .* other settings \(sample_rate differ"):
        prepare_musdb(None, noise, out, 44100, 1)
    with pytest.raises(ConfigError, match="destination .* is not a prepared MUSDB18"):
        prepare_musdb(None, noise, noise, 16000, 1)


def test_a_source_without_songs(tmp_path):
    with pytest.raises(ConfigError, match=r"prepare_musdb\.source: there is no folder .*train"):
        prepare_musdb(None, tmp_path, tmp_path / "out", 16000, 1)
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    with pytest.raises(ConfigError, match=r"prepare_musdb\.source .* holds no song"):
        prepare_musdb(None, tmp_path, tmp_path / "out", 16000, 1)


def test_mp4_stems_are_found_and_need_ffmpeg(tmp_path):
    for subset in ("train", "test"):
        (tmp_path / subset).mkdir()
    (tmp_path / "train" / "Ann - One.stem.mp4").write_bytes(b"no audio")
    (track,) = find_tracks(tmp_path, ["Ann*"])
    assert (track.title, track.split) == ("Ann - One", "valid")
    if not shutil.which("ffmpeg"):
        with pytest.raises(ItemsFailed, match="install the package ffmpeg"):
            prepare_musdb(None, tmp_path, tmp_path / "out", 16000, 1)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="apt install ffmpeg")
def test_mp4_stems_are_prepared_as_the_wav_stems_are(noise, tmp_path):
    for folder in noise.glob("*/*"):
        encode(folder, tmp_path / "mp4" / folder.parent.name / f"{folder.name}.stem.mp4")
    prepare_musdb(None, noise, tmp_path / "wav16k", 16000, 1)
    prepare_musdb(None, tmp_path / "mp4", tmp_path / "mp416k", 16000, 1)
    for path in (tmp_path / "wav16k").rglob("*.wav"):
        decoded, rate = read(tmp_path / "mp416k" / path.relative_to(tmp_path / "wav16k"))
        length = len(read(path)[0])
        assert rate == 16000 and length <= len(decoded) < length + 800
        correlation = np.corrcoef(read(path)[0][:, 0], decoded[:length, 0])[0, 1]
        assert correlation > 0.75, path  # noise is hard on AAC; another stem has under 0.6


def encode(folder, path):
    """Writes the wav files of a song as the streams of an .stem.mp4, in Native Instruments' order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("mixture", "drums", "bass", "other", "vocals")
    inputs = [word for name in names for word in ("-i", str(folder / f"{name}.wav"))]
    maps = [word for number in range(len(names)) for word in ("-map", f"{number}:a")]
    codec = ["-c:a", "aac", "-b:a", "256k"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *maps, *codec, str(path)], check=True)
