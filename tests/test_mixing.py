"""Mixers: what a mixture depends on, what is coherent, and what a user reads when a stem is missing."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from torch.utils.data import DataLoader

from audition.compat import sox as stand_in
from audition.datasets import Excerpts, batch_collate, build_dataset
from audition.datasets.corpora import OnTheFly
from audition.datasets.identity import describe_content
from audition.errors import ConfigError
from audition.mixing.loud_regions import LoudRegions, measure
from audition.mixing.mixers import BalancedMixer, CoherentMixer, IncoherentMixer
from audition.mixing.scenes import Scene
from tests.support import music, road

STEMS = ["vocals", "drums", "bass"]
EVENT = {
    "source_time": ("uniform", 0, 1000),
    "event_duration": ("const", 2.0),
    "snr": ("uniform", -10, 0),
}
needs_sox = pytest.mark.skipif(not shutil.which("sox"), reason="apt install sox")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("music")
    return music.prepare(music.render(root), root / "16k")


@pytest.fixture
def folder(prepared, tmp_path):
    """A copy of the prepared training songs, to be spoilt."""
    return Path(shutil.copytree(prepared / "train", tmp_path / "train"))


@pytest.fixture
def scene(prepared):
    return Scene(prepared / "train", 2.0, music.SAMPLE_RATE)


def coherent(scene, labels=STEMS, event_parameters=EVENT, seed=0, **settings):
    return CoherentMixer(scene, labels, event_parameters, seed, **settings)


def incoherent(scene, num_sources=3, seed=0, **settings):
    parameters = {**EVENT, "label": ("choose", STEMS)}
    return IncoherentMixer(scene, num_sources, parameters, seed, **settings)


def balanced(scene, fraction=0.5, seed=0):
    return BalancedMixer(coherent(scene), incoherent(scene), fraction, seed)


def on_the_fly(mixer, num_mixtures=6):
    return build_dataset(OnTheFly(mixer, num_mixtures), "train")


def events(mixture):
    return [observation.value for observation in mixture.jam.annotations[0].data]


def values(mixture, name):
    return [event[name] for event in events(mixture)]


def songs(mixture):
    return [Path(path).name for path in values(mixture, "source_file")]


def same(one, other):
    return one.sources.keys() == other.sources.keys() and all(
        np.array_equal(one.sources[name], other.sources[name]) for name in one.sources
    )


# what a mixture depends on --------------------------------------------------------


@pytest.mark.parametrize("make", [coherent, incoherent, balanced])
def test_a_mixture_depends_on_seed_and_number_only(scene, make):
    first, again = make(scene), pickle.loads(pickle.dumps(make(scene)))
    mixtures = [first.mix(i) for i in range(4)]
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    for i in (3, 1, 0, 2):
        assert same(again.mix(i), mixtures[i])
    assert np.array_equal(np.random.get_state()[1], state)
    assert not same(mixtures[0], mixtures[1])
    assert not same(make(scene, seed=1).mix(0), mixtures[0]) or make is balanced
    assert not same(first.mix(0, attempt=1), mixtures[0])


def test_data_workers_make_the_same_mixtures(scene):
    corpus = on_the_fly(balanced(scene))
    batches = [[0, 1, 2], [3, 4, 5]]
    here, there = (
        list(
            DataLoader(
                Excerpts(corpus, 8000, 0),
                batch_sampler=batches,
                collate_fn=batch_collate,
                num_workers=workers,
            )
        )
        for workers in (0, 1)
    )
    for one, other in zip(here, there, strict=True):
        assert one["sources"].shape == (3, 3, 1, 8000)
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_fingerprint_follows_the_content_and_not_the_path(scene, folder):
    moved = Scene(folder, 2.0, music.SAMPLE_RATE)
    before = describe_content(on_the_fly(coherent(scene)))
    assert describe_content(on_the_fly(coherent(moved))) == before
    assert describe_content(on_the_fly(coherent(scene, seed=1))) != before
    path = next((folder / "other").iterdir())
    reversed_one, _ = soundfile.read(path)
    for audio in (reversed_one[::-1], np.zeros(1000)):  # of the same size, and of another
        soundfile.write(path, audio, music.SAMPLE_RATE)
        changed = Scene(folder, 2.0, music.SAMPLE_RATE)
        assert describe_content(on_the_fly(coherent(changed))) != before


# coherent, incoherent, balanced ---------------------------------------------------


def test_coherent_stems_are_those_of_one_song_at_one_place(scene):
    starts = set()
    for i in range(8):
        mixture = coherent(scene).mix(i)
        assert values(mixture, "label") == STEMS
        for name in ("source_time", "event_time", "event_duration"):
            assert len(set(values(mixture, name))) == 1
        assert len(set(songs(mixture))) == 1
        assert len(set(values(mixture, "snr"))) == 3
        starts.add((songs(mixture)[0], values(mixture, "source_time")[0]))
    assert len(starts) == 8


def test_a_coherent_source_is_its_stem_at_a_gain(scene, prepared):
    mixture = coherent(scene).mix(0)
    start = round(values(mixture, "source_time")[0] * music.SAMPLE_RATE)
    for label, audio in zip(STEMS, mixture.sources.values(), strict=True):
        stem, _ = soundfile.read(prepared / "train" / label / songs(mixture)[0])
        piece = stem[start - 1 : start + 1 + len(audio)]
        found = max(
            abs(np.corrcoef(piece[shift : shift + len(audio)], audio[:, 0])[0, 1])
            for shift in range(3)
        )
        assert found > 0.9999


def test_each_label_may_have_its_own_snr(scene):
    one_each = [{**EVENT, "snr": ("const", snr)} for snr in (0, -5, -20)]
    assert values(coherent(scene, event_parameters=one_each).mix(0), "snr") == [0, -5, -20]
    with pytest.raises(ConfigError, match="has 2 entries for 3 sources"):
        coherent(scene, event_parameters=one_each[:2])


def test_incoherent_sources_are_of_different_songs(scene):
    mixtures = [incoherent(scene).mix(i) for i in range(8)]
    assert all(sorted(values(mixture, "label")) == sorted(STEMS) for mixture in mixtures)
    assert any(len(set(songs(mixture))) > 1 for mixture in mixtures)
    assert all(len(set(values(mixture, "source_time"))) == 3 for mixture in mixtures)


def test_labels_repeat_only_where_they_may(scene):
    mixer = incoherent(scene, num_sources=4, allow_repeated_label=True)
    names = list(mixer.mix(0).sources)
    assert len(set(names)) == 4 and any(name.endswith("::1") for name in names)
    with pytest.raises(ConfigError, match="num_sources = 4, but its label distribution"):
        incoherent(scene, num_sources=4).mix(0)


def test_the_incoherent_fraction_is_what_was_asked_for(scene):
    def is_incoherent(mixer, i):
        return len(set(values(mixer.mix(i), "source_time"))) > 1

    assert not any(is_incoherent(balanced(scene, 0.0), i) for i in range(5))
    assert all(is_incoherent(balanced(scene, 1.0), i) for i in range(5))
    share = np.mean([is_incoherent(balanced(scene, 0.25), i) for i in range(80)])
    assert 0.1 < share < 0.4
    with pytest.raises(ConfigError, match="incoherent_fraction = 2 must be"):
        balanced(scene, 2)


# signals --------------------------------------------------------------------------


def test_sources_sum_to_the_mix_at_the_levels_of_scaper(scene):
    data = on_the_fly(coherent(scene, event_parameters={**EVENT, "snr": ("const", 3)}))[0]
    assert list(data["sources"]) == ["bass::0", "drums::0", "vocals::0"]
    total = sum(signal.audio_data for signal in data["sources"].values())
    np.testing.assert_allclose(data["mix"].audio_data, total, atol=1e-12)
    for signal in data["sources"].values():
        assert signal.audio_data.shape == (1, 32000)
        assert abs(signal.loudness() - (-40 + 3)) < 0.1


def test_a_mixture_never_clips_and_stays_the_sum(prepared):
    loud = Scene(prepared / "train", 2.0, music.SAMPLE_RATE, ref_db=0.0)
    mixture = coherent(loud).mix(0)
    assert np.abs(mixture.mix).max() <= 1
    np.testing.assert_allclose(mixture.mix, sum(mixture.sources.values()), atol=1e-12)


def test_a_stem_that_is_silent_stays_silence(folder):
    for path in (folder / "bass").iterdir():
        audio, rate = soundfile.read(path)
        soundfile.write(path, np.zeros_like(audio), rate)
    mixture = coherent(Scene(folder, 2.0, music.SAMPLE_RATE)).mix(0)
    assert not mixture.sources["bass::0"].any()
    assert mixture.mix.any() and np.isfinite(mixture.mix).all()
    np.testing.assert_array_equal(mixture.mix, sum(mixture.sources.values()))


def test_channels_and_backgrounds(prepared):
    scene = Scene(
        prepared / "train",
        2.0,
        music.SAMPLE_RATE,
        num_channels=2,
        background_path=prepared / "test",
        num_backgrounds=1,
        background_parameters={"label": ("const", "other")},
    )
    mixture = coherent(scene, labels=["vocals", "drums"]).mix(0)
    assert list(mixture.sources) == ["other::0", "vocals::0", "drums::0"]
    assert all(audio.shape == (32000, 2) for audio in mixture.sources.values())
    assert "/test/other/" in values(mixture, "source_file")[0]


def test_events_are_shorter_and_later_than_the_scene(prepared):
    scene = Scene(prepared / "train", 3.0, music.SAMPLE_RATE, fade_seconds=0.01)
    parameters = {**EVENT, "event_time": ("const", 0.5), "snr": ("truncnorm", 0, 2, -3, 3)}
    for audio in coherent(scene, event_parameters=parameters).mix(0).sources.values():
        heard = np.flatnonzero(audio[:, 0])
        assert heard[0] >= 8000 and heard[-1] < 40000 and len(audio) == 48000


# loud regions ---------------------------------------------------------------------


def test_loud_regions_keep_a_source_from_silence(folder, tmp_path):
    for path in (folder / "vocals").iterdir():
        audio, rate = soundfile.read(path)
        audio[: 3 * rate] = 0
        soundfile.write(path, audio, rate)
    scene, regions = Scene(folder, 2.0, music.SAMPLE_RATE), LoudRegions(2.0, 0.25, -50.0, tmp_path)
    for i in range(6):
        assert values(coherent(scene, loud_regions=regions).mix(i), "source_time")[0] > 1
    tables = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 1 <= len(tables) <= 3
    again = LoudRegions(2.0, 0.25, -50.0, tmp_path)
    again.starts(sorted((folder / "vocals").iterdir())[0])
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in tables.items())


def test_loud_windows_are_where_the_samples_say(tmp_path):
    audio = np.concatenate([np.zeros(8000), 0.5 * np.ones(8000), np.zeros(8000)])
    soundfile.write(tmp_path / "a.wav", audio, 8000)
    assert measure(tmp_path / "a.wav", 0.5, 0.25, -7.0) == [1.0, 1.25, 1.5]
    assert measure(tmp_path / "a.wav", 60.0, 0.25, -20.0) == [0.0]


def test_nothing_loud_is_told(scene):
    with pytest.raises(ConfigError, match=r"'vocals' have no window .*threshold_db = 0; lower it"):
        coherent(scene, loud_regions=LoudRegions(2.0, 0.5, 0)).mix(0)


# what a user reads ----------------------------------------------------------------


def test_a_missing_stem_is_never_another_songs(folder):
    for path in (folder / "bass").iterdir():
        path.rename(path.with_name(f"Other {path.name}"))
    scene = Scene(folder, 2.0, music.SAMPLE_RATE)
    with pytest.raises(ConfigError, match=r"no counterpart .*/bass/.*\.wav; add the stem"):
        coherent(scene)
    chosen = {**EVENT, "source_file": ("choose", scene.files("vocals")[:1])}
    with pytest.raises(ConfigError, match="no counterpart .*/bass/"):
        on_the_fly(coherent(scene, event_parameters=chosen))


def test_a_stem_that_vanishes_while_mixing_is_told(folder):
    mixer = coherent(Scene(folder, 2.0, music.SAMPLE_RATE))
    shutil.rmtree(folder / "drums")
    with pytest.raises(ConfigError, match="no counterpart .*/drums/"):
        mixer.mix(0)


def test_a_stem_that_ends_early_is_told(folder):
    for path in (folder / "bass").iterdir():
        soundfile.write(path, 0.1 * np.ones(100), music.SAMPLE_RATE)
    with pytest.raises(ConfigError, match="bass/.* ends before its counterpart"):
        coherent(Scene(folder, 2.0, music.SAMPLE_RATE)).mix(0)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"volume": ("const", 1)}, "CoherentMixer.event_parameters has volume; it may hold label"),
        ({"snr": ("gamma", 1)}, "CoherentMixer.event_parameters: Unsupported distribution name"),
        ({"snr": 3}, "event_parameters: Distribution tuple must be of type tuple"),
        ({"event_duration": ("const", -1)}, "CoherentMixer.event_parameters: Duration must be"),
    ],
)
def test_wrong_event_parameters(scene, parameters, sentence):
    with pytest.raises(ConfigError, match=sentence):
        coherent(scene, event_parameters={**EVENT, **parameters})


def test_missing_event_parameters_labels_and_folders(scene, tmp_path):
    with pytest.raises(ConfigError, match="needs source_time, event_duration, snr"):
        coherent(scene, event_parameters={})
    with pytest.raises(ConfigError, match=r"CoherentMixer\.labels: there are no files in .*kazoo"):
        coherent(scene, labels=["vocals", "kazoo"])
    with pytest.raises(ConfigError, match=r"Scene\.foreground_path: there is no folder"):
        Scene(tmp_path / "nowhere", 2.0, 16000)
    with pytest.raises(ConfigError, match=r"Scene\.foreground_path: .* holds no <label>/<file>"):
        Scene(tmp_path, 2.0, 16000)
    with pytest.raises(ConfigError, match="num_backgrounds needs Scene.background_path"):
        Scene(tmp_path, 2.0, 16000, num_backgrounds=1)


def test_the_dataset_has_the_rate_of_the_scene(scene):
    with pytest.raises(ConfigError, match="OnTheFly.sample_rate = 8000, but Scene.sample_rate"):
        build_dataset(OnTheFly(coherent(scene), 3, sample_rate=8000), "train")


# pitch and stretch ----------------------------------------------------------------

SHIFTED = {**EVENT, "pitch_shift": ("uniform", -2, 2), "time_stretch": ("uniform", 0.8, 1.2)}


def test_shifting_without_sox_is_told_in_one_sentence(scene, monkeypatch):
    monkeypatch.setattr("scaper.core.sox", stand_in)
    with pytest.raises(ConfigError, match="pitch shift .* needs the sox program; install"):
        coherent(scene, event_parameters=SHIFTED).mix(0)


@needs_sox
def test_pitch_and_stretch_are_the_masters(scene):
    mixture = coherent(scene, event_parameters=SHIFTED).mix(0)
    for name in ("pitch_shift", "time_stretch"):
        assert len(set(values(mixture, name))) == 1 and values(mixture, name)[0] is not None
    assert mixture.mix.shape == (32000, 1) and same(
        mixture, coherent(scene, event_parameters=SHIFTED).mix(0)
    )


# the shipped recipe ---------------------------------------------------------------


@pytest.mark.parametrize("more", [[], ["musdb/remix.gin"]], ids=["scaper", "remix"])
def test_the_shipped_recipe_walks_the_whole_road(prepared, tmp_path, more):
    """The mixing of musdb.gin, under a network that is told nothing of it."""
    recipe = ["musdb/env.example.gin", "musdb/musdb.gin", *more, "tests/exp/tiny.gin"]
    bindings = [
        "MUSDB_ROOT = ''",
        f"MUSDB_PREPARED = '{prepared}'",
        f"CACHE_ROOT = '{tmp_path / 'cache'}'",
        f"instantiate.output_folder = '{tmp_path / 'out'}'",
        *("SCENE_SECONDS = 1.0", "NUM_MIXTURES = 8", "val/OnTheFly.num_mixtures = 4"),
        *("train.num_epochs = 1", "train.epoch_length = 2"),
    ]
    road.call("instantiate", *recipe, *bindings)
    config = tmp_path / "out" / "run0" / "config.gin"
    road.call("cache", config)
    road.call("all", config)
    card = (config.parent / "report_card.txt").read_text()
    assert "vocals" in card and "accompaniment" in card
    assert list((tmp_path / "cache").glob("*.json"))  # loud regions were measured once


def test_the_readmes_commands_prepare_the_songs_and_write_their_mixtures(prepared, tmp_path):
    env = ["musdb/env.example.gin", f"MUSDB_ROOT = '{prepared.parent / 'songs'}'"]
    env += [f"MUSDB_PREPARED = '{tmp_path / '16k'}'", f"CACHE_ROOT = '{tmp_path / 'cache'}'"]
    patterns, serial = "prepare_musdb.validation_titles = ['* 4']", "prepare_musdb.num_workers = 0"
    road.call("prepare_musdb", *env, "musdb/prepare_16k.gin", patterns, serial)
    for path in prepared.rglob("*.wav"):
        assert (tmp_path / "16k" / path.relative_to(prepared)).read_bytes() == path.read_bytes()
    mixtures = {"train": "@BalancedMixer()", "val": "@val/CoherentMixer()"}
    mixers = ", ".join(f"'{name}': {mixer}" for name, mixer in mixtures.items())
    road.call(
        "make_scaper_datasets",
        *env,
        "musdb/musdb.gin",
        "SCENE_SECONDS = 1.0",
        f"make_scaper_datasets.destination = '{tmp_path / 'mixtures'}'",
        f"make_scaper_datasets.mixers = {{{mixers}}}",
        "make_scaper_datasets.num_mixtures = {'train': 3, 'val': 2}",
    )
    counts = [len(list((tmp_path / "mixtures" / name).glob("*.jams"))) for name in mixtures]
    assert counts == [3, 2]
