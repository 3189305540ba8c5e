"""Trackers of the melody: what they hear in a mixture, what they are called, where they run."""

import copy
import importlib.util
import pickle
import sys
import types

import gin
import numpy as np
import pytest

from audition import configs, registry
from audition.errors import ConfigError
from audition.separators import HarmonicSummation, PrimitiveEnsemble, predominant_melody
from audition.separators.harmonic_summation import harmonic_melody
from audition.separators.trackers import EssentiaMelodia, PYin
from tests.support import road

RATE, SECONDS = 8000, 4.0
NOTES_HZ = (311.1, 370.0, 415.3, 349.2, 466.2, 277.2, 392.0, 330.0)
CHORDS_HZ = (
    (261.6, 329.6, 392.0),
    (220.0, 261.6, 329.6),
    (174.6, 220.0, 261.6),
    (196, 246.9, 293.7),
)
needs_essentia = pytest.mark.skipif(
    importlib.util.find_spec("essentia") is None, reason="pip install essentia (AGPL-3.0)"
)


def tone(f0_hz, num_harmonics, rate):
    """Sound of a fundamental in Hz, `(sample,)`; its harmonics are as loud as 1/number."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate
    return sum(np.sin(n * phase) / n for n in range(1, num_harmonics + 1))


def song(rate=RATE, seconds=SECONDS):
    """A melody with vibrato, chords and beats of noise together, and the melody's f0, `(sample,)`."""
    time = np.arange(int(seconds * rate)) / rate
    vibrato = 2 ** (0.4 * np.sin(2 * np.pi * 5.5 * time) / 12)
    f0_hz = np.array(NOTES_HZ)[(2 * time).astype(int) % len(NOTES_HZ)] * vibrato
    chords = np.array(CHORDS_HZ)[time.astype(int) % len(CHORDS_HZ)]
    struck = np.exp(-3 * (time % 0.5))
    noise = np.random.default_rng(0).normal(size=len(time)) * np.exp(-30 * (time % 0.5))
    others = sum(struck * tone(note, 5, rate) for note in chords.T)
    return 0.1 * (tone(f0_hz, 8, rate) + 0.6 * others + 0.5 * noise), f0_hz


def accuracy(tracker):
    """Share of frames within 50 cents of the melody of `song`."""
    x, f0_hz = song(tracker.sample_rate)
    melody = tracker(x, 110.0, 880.0)
    samples = np.minimum(np.rint(melody.times * tracker.sample_rate).astype(int), len(x) - 1)
    return np.mean(np.abs(1200 * np.log2(melody.f0_hz / f0_hz[samples])) < 50)


def test_a_melody_is_heard_among_chords():
    assert accuracy(HarmonicSummation()) > 0.95
    assert accuracy(PYin()) < 0.85


@needs_essentia
def test_essentia_hears_a_melody_among_chords():
    assert accuracy(EssentiaMelodia()) > 0.9


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
@pytest.mark.parametrize("num_samples", [1, 1000, 10000])
def test_any_sample_rate_and_length_has_a_melody(rate, num_samples):
    x, _ = song(rate, 1.5)
    melody = harmonic_melody(x[:num_samples], rate, 110.0, 880.0, voicing_tolerance=0.2)
    assert melody.times.shape == melody.f0_hz.shape == melody.voiced.shape
    assert (melody.f0_hz > 100).all() and (melody.f0_hz < 900).all()


def test_silence_has_no_melody():
    melody = HarmonicSummation()(np.zeros(RATE), 110.0, 880.0)
    assert not melody.voiced.any() and (melody.f0_hz > 0).all()


def test_results_of_pyin_hold_and_those_of_the_default_are_others():
    """Before `tracker`, a passport without settings was pYIN's."""
    assert predominant_melody(tracker=PYin()).passport() == {
        "class": "PredominantMelody",
        "settings": {},
    }
    default = predominant_melody().passport()
    assert default["settings"]["tracker"]["class"] == "HarmonicSummation"
    assert default == predominant_melody(tracker=HarmonicSummation()).passport()
    assert default != predominant_melody(tracker=HarmonicSummation(0.5)).passport()
    assert default != predominant_melody(tracker=EssentiaMelodia()).passport()


def test_a_config_chooses_the_tracker_and_it_pickles():
    registry.register()
    bindings = ("NUM_SOURCES = 2", "PredominantMelody.tracker = @PYin()")
    configs.load([road.ROOT / "musdb/exp/cues/predominant_melody.gin"], bindings)
    separator = pickle.loads(pickle.dumps(copy.deepcopy(gin.query_parameter("evaluate.separator"))))
    assert separator.passport()["settings"] == {}


def test_essentia_that_is_missing_is_told_before_the_first_track(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "essentia", None)
    alone = predominant_melody(tracker=EssentiaMelodia())
    ensemble = PrimitiveEnsemble([alone], [1], [[1]]).located(tmp_path)
    for separator in (alone, ensemble):
        with pytest.raises(ConfigError, match=r"AGPL-3\.0: pip install essentia, or choose @Harm"):
            separator.check(types.SimpleNamespace(num_channels=1))


def test_melodia_s_guesses_are_unvoiced_and_its_silence_is_above_zero(monkeypatch):
    """On a stand-in of Essentia, for machines without it."""
    f0_hz, confidence = np.array([220.0, 330.0, 0.0]), np.array([0.5, -0.5, 0.0])
    standard = types.SimpleNamespace(
        EqualLoudness=lambda **_: lambda x: x,
        PredominantPitchMelodia=lambda **_: lambda x: (f0_hz, confidence),
    )
    essentia = types.ModuleType("essentia")
    essentia.__spec__ = importlib.util.spec_from_loader("essentia", None)
    monkeypatch.setitem(sys.modules, "essentia", essentia)
    monkeypatch.setitem(sys.modules, "essentia.standard", standard)
    melody = EssentiaMelodia()(np.zeros(1000), 110.0, 880.0)
    np.testing.assert_array_equal(melody.voiced, [True, False, False])
    np.testing.assert_array_equal(melody.f0_hz, [220.0, 330.0, 110.0])
