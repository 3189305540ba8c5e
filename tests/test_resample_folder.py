"""resample_folder: every format, Scaper's layout, restarts, and what a user reads."""

import numpy as np
import pytest
import soundfile

from audition.commands.resample_folder import resample_folder
from audition.errors import ConfigError
from audition.parallel import ItemsFailed

RATE = 44100


def tone(num_channels=2, hz=440):
    time = np.arange(RATE) / RATE
    return np.stack([0.4 * np.sin(2 * np.pi * hz * time)] * num_channels, axis=1)


@pytest.fixture
def source(tmp_path):
    """`<source>/<set>/<speaker>/x.{wav,flac,mp3,ogg}`."""
    for i, suffix in enumerate(("wav", "flac", "mp3", "ogg")):
        path = tmp_path / "in" / "set1" / f"speaker{i % 2}" / f"{suffix}.{suffix.upper()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(), RATE, format=suffix.upper())
    (tmp_path / "in" / "notes.txt").write_text("no audio")
    return tmp_path / "in"


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.wav"))


def test_every_format_becomes_wav_of_one_rate(source, tmp_path):
    resample_folder(None, source, tmp_path / "out", 16000, 1)
    assert names(tmp_path / "out") == [
        "set1/speaker0/mp3.wav",
        "set1/speaker0/wav.wav",
        "set1/speaker1/flac.wav",
        "set1/speaker1/ogg.wav",
    ]
    expected = 0.4 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    for path in (tmp_path / "out").rglob("*.wav"):
        audio, rate = soundfile.read(path)
        assert rate == 16000 and audio.shape == (16000,)
        assert np.abs(audio - expected)[800:-800].max() < 0.02  # mp3 and ogg are lossy


@pytest.mark.parametrize(("level", "first"), [(0, "set1/speaker0.mp3"), (-1, "speaker0/set1.mp3")])
def test_a_level_of_the_path_becomes_the_class(source, tmp_path, level, first):
    resample_folder(None, source, tmp_path / "out", 44100, class_level=level)
    assert names(tmp_path / "out")[0] == f"{first}.wav"
    audio, _ = soundfile.read(next((tmp_path / "out").rglob("*flac.wav")))
    np.testing.assert_allclose(audio, tone(), atol=2**-15)


def test_a_second_call_makes_only_what_is_missing(source, tmp_path):
    resample_folder(None, source, tmp_path / "out", 8000)
    first, *others = sorted((tmp_path / "out").rglob("*.wav"))
    first.unlink()
    before = [path.stat().st_mtime_ns for path in others]
    resample_folder(None, source, tmp_path / "out", 8000)
    assert first.exists() and [path.stat().st_mtime_ns for path in others] == before


def test_a_broken_file_fails_and_the_others_are_done(source, tmp_path):
    (source / "set1" / "broken.wav").write_text("no audio")
    with pytest.raises(ItemsFailed, match="broken.wav can't be read as audio"):
        resample_folder(None, source, tmp_path / "out", 8000)
    assert len(names(tmp_path / "out")) == 4


def test_mistakes_are_told(source, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="class_level = 2, but .* lies in 2 folders"):
        resample_folder(None, source, out, 8000, class_level=2)
    with pytest.raises(ConfigError, match=r"source = .* holds no audio file"):
        resample_folder(None, tmp_path / "nowhere", out, 8000)
    with pytest.raises(ConfigError, match="destination = .* lies in resample_folder.source"):
        resample_folder(None, source, source / "out", 8000)
    with pytest.raises(ItemsFailed, match="2 channels can't become 3"):
        resample_folder(None, source, out, 8000, 3)
    with pytest.raises(ConfigError, match=r"other settings \(sample_rate, num_channels differ\)"):
        resample_folder(None, source, out, 16000, 1)
    soundfile.write(source / "set1" / "speaker0" / "mp3.flac", tone(), RATE)
    with pytest.raises(ConfigError, match="would both become set1/speaker0/mp3.wav; rename one"):
        resample_folder(None, source, out, 8000, 3)
