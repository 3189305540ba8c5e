"""make_scaper_datasets: the same mixtures as on the fly, restarts, quiet ones redrawn."""

import jams
import numpy as np
import pytest
import scaper
import soundfile

from audition.commands.make_scaper_datasets import make_scaper_datasets
from audition.datasets import build_dataset
from audition.datasets.corpora import Scaper
from audition.errors import ConfigError
from audition.mixing.mixers import BalancedMixer, CoherentMixer, IncoherentMixer
from audition.mixing.scenes import Scene
from audition.parallel import ItemsFailed
from tests.support import corpora

LABELS = ["vocals", "drums"]
EVENT = {
    "source_time": ("uniform", 0, 100),
    "event_duration": ("const", 1.0),
    "snr": ("uniform", -5, 0),
}


@pytest.fixture
def folder(tmp_path):
    """`<folder>/{vocals,drums}/<song>.wav`: noise; the second half of each vocal is silence."""
    for i, song in enumerate(("a", "b", "c")):
        for k, label in enumerate(LABELS):
            audio = corpora.noise((i, k), 5 * corpora.SAMPLE_RATE)
            corpora.write(tmp_path / "stems" / label / f"{song}.wav", audio)
    return tmp_path / "stems"


def coherent(folder, seed=0, **event):
    scene = Scene(folder, 1.0, corpora.SAMPLE_RATE, ref_db=-30.0)
    return CoherentMixer(scene, LABELS, {**EVENT, **event}, seed)


def balanced(folder):
    scene = Scene(folder, 1.0, corpora.SAMPLE_RATE, ref_db=-30.0)
    parameters = {**EVENT, "label": ("choose", LABELS)}
    return BalancedMixer(coherent(folder), IncoherentMixer(scene, 2, parameters, 0), 0.5, 0)


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*.wav")}


def stamps(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*.*")}


def test_the_mixtures_are_those_of_the_mixer(folder, tmp_path):
    mixer = balanced(folder)
    make_scaper_datasets(None, tmp_path / "out", {"train": mixer}, {"train": 4}, num_workers=2)
    corpus = build_dataset(Scaper(str(tmp_path / "out" / "train")), "train")
    assert corpus.names == ["00000000", "00000001", "00000002", "00000003"]
    for i, item in enumerate(corpus):
        mixture = mixer.mix(i)
        assert sorted(item["sources"]) == sorted(mixture.sources)
        np.testing.assert_allclose(item["mix"].audio_data, mixture.mix.T, atol=2**-15)
        for name, signal in item["sources"].items():
            np.testing.assert_allclose(signal.audio_data, mixture.sources[name].T, atol=2**-15)
    events = sorted(path.name for path in (tmp_path / "out/train/00000000_events").iterdir())
    assert [name.split("_")[0] for name in events] == ["foreground0", "foreground1"]


def test_scaper_makes_the_same_again_from_the_jams(folder, tmp_path):
    make_scaper_datasets(None, tmp_path / "out", {"a": balanced(folder)}, {"a": 2}, bitdepth=32)
    for path in (tmp_path / "out" / "a").glob("*.jams"):
        audio, *_ = scaper.generate_from_jams(str(path))
        written, _ = soundfile.read(path.with_suffix(".wav"), always_2d=True)
        np.testing.assert_allclose(audio, written, atol=1e-7)


def test_a_second_call_makes_only_what_is_missing(folder, tmp_path):
    out = tmp_path / "out"
    make_scaper_datasets(None, out, {"a": coherent(folder)}, {"a": 2})
    before, audio = stamps(out), contents(out)
    (out / "a" / "00000001.jams").unlink()
    (out / "a" / "00000001.wav").unlink()
    make_scaper_datasets(None, out, {"a": coherent(folder)}, {"a": 3})
    assert contents(out).items() >= audio.items()
    assert len(list(out.rglob("*.jams"))) == 3
    kept = {path for path, stamp in stamps(out).items() if before.get(path) == stamp}
    assert sum("00000000" in str(path) for path in kept) == 4


def test_quiet_mixtures_are_drawn_anew(folder, tmp_path):
    for path in folder.rglob("*.wav"):
        audio, rate = soundfile.read(path)
        audio[rate // 2 :] = 0
        soundfile.write(path, audio, rate)
    mixer, out = coherent(folder, source_time=("choose", [0, 2, 3])), tmp_path / "out"
    quiet = [i for i in range(6) if not mixer.mix(i).mix.any()]
    assert 0 < len(quiet) < 6
    make_scaper_datasets(None, out, {"a": mixer}, {"a": 6}, max_attempts=30)
    for path in (out / "a").glob("*.wav"):
        audio, _ = soundfile.read(path)
        assert audio.any()
        if int(path.stem) not in quiet:
            np.testing.assert_allclose(audio, mixer.mix(int(path.stem)).mix[:, 0], atol=2**-15)


def test_attempts_are_bounded_and_the_others_done(folder, tmp_path):
    mixer = coherent(folder)
    with pytest.raises(ItemsFailed, match="2 draws of mixture 1 are all below .*quiet_db = 0"):
        make_scaper_datasets(
            None, tmp_path / "out", {"a": mixer}, {"a": 2}, quiet_db=0, max_attempts=2
        )
    make_scaper_datasets(None, tmp_path / "b", {"a": mixer}, {"a": 1}, quiet_db=None)
    assert jams.load(str(tmp_path / "b" / "a" / "00000000.jams")).annotations


def test_mistakes_are_told(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"mixers has \['a'\] and num_mixtures has \['b'\]"):
        make_scaper_datasets(None, tmp_path / "out", {"a": coherent(folder)}, {"b": 1})
    with pytest.raises(ConfigError, match="bitdepth = 8 must be 16, 24 or 32"):
        make_scaper_datasets(None, tmp_path / "out", {"a": 1}, {"a": 1}, bitdepth=8)
    make_scaper_datasets(None, tmp_path / "out", {"a": coherent(folder)}, {"a": 1})
    with pytest.raises(
        ConfigError, match=r"holds mixtures made with other settings \(mixer differ"
    ):
        make_scaper_datasets(None, tmp_path / "out", {"a": coherent(folder, seed=1)}, {"a": 1})
    with pytest.raises(ConfigError, match="so it is not mixtures"):
        make_scaper_datasets(None, folder.parent, {"stems": coherent(folder)}, {"stems": 1})
