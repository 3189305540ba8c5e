"""From songs to pseudo-sources: segments, their confidence, the choice of them, training on them."""

import json
import os
import shutil

import numpy as np
import nussl
import pytest
import soundfile

from audition.bootstrap.calibration import correlate
from audition.bootstrap.confidence import MEASURES, measure_confidence
from audition.bootstrap.segments import Segments, segment_table, window_bounds
from audition.bootstrap.selection import LabelIn, PercentilesBetween
from audition.commands.construct_symlink_folder import construct_symlink_folder
from audition.commands.plot_calibration import plot_calibration
from audition.commands.segment_and_separate import segment_and_separate
from audition.datasets import build_dataset
from audition.datasets.audio_folder import AudioFolder
from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.metrics import BSSEvalScale
from audition.parallel import ItemsFailed
from audition.runs.folder import Run
from audition.separators import (
    EmbeddingClustering,
    MaskEstimation,
    PrimitiveEnsemble,
    Separation,
    Separator,
    nussl_recipes,
)
from tests.support import music, road, voices

WINDOW, HOP = 3.0, 1.5
RECIPES = nussl_recipes()
FT2D = RECIPES["nussl.separation.primitive.FT2D"]
HPSS = RECIPES["nussl.separation.primitive.HPSS"]()
SEPARATOR = PrimitiveEnsemble([FT2D(), HPSS], [3, 1], [[1], [0]], beta=2.5)
RECIPE = [
    "musdb/env.example.gin",
    "musdb/musdb.gin",
    "musdb/exp/cues/primitive_clustering.gin",
    "musdb/segments.gin",
]
MEASURED = ("confidence", *MEASURES)


class Halves(Separator):
    """Half of the mix, twice, where it is not told to fail."""

    def __init__(self, fails=False):
        self.fails = fails

    def finish(self, mix, device_output, sources=None):
        if self.fails:
            raise ValueError("too hard")
        return [mix * 0.5, mix * 0.5]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two songs of 7 s, the second with silence from 3 s on."""
    folder = music.render_mono(tmp_path_factory.mktemp("songs"), 2, 7.0)
    for path in folder.glob("*/* 2.wav"):
        audio, sample_rate = soundfile.read(path)
        audio[3 * sample_rate :] *= 1e-4
        soundfile.write(path, audio, sample_rate, "FLOAT")
    return music.open_songs(folder)


@pytest.fixture(scope="module")
def segments(corpus, tmp_path_factory):
    """Folder of the segments of the two songs, six to keep; do not change it."""
    folder = tmp_path_factory.mktemp("out") / "segments"
    run_on(corpus, folder, SEPARATOR, measures=MEASURES)
    return folder


def run_on(corpus, folder, separator, **settings):
    settings = {"window_seconds": WINDOW, "hop_seconds": HOP, "device": "cpu", **settings}
    segment_and_separate(None, corpus, separator, folder, **settings)


def results_in(folder):
    return {path.stem: json.loads(path.read_text()) for path in (folder / "results").iterdir()}


def files_in(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.*") if path.is_file()}


def test_windows_cover_what_they_can():
    assert window_bounds(10, 4, 2) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert window_bounds(11, 4, 2) == window_bounds(10, 4, 2)
    assert window_bounds(3, 4, 2) == [(0, 4)]


@pytest.mark.parametrize("total", [*range(1, 14), 100])
def test_windows_to_the_end_are_those_of_the_paper_s_code(total):
    """Its AudioSegmentDataset, whose files have the start in their names: equal starts are one."""
    starts = np.arange(0, total, 2)
    starts[-1] = max(0, total - 4)
    expected = sorted({(start, min(start + 4, total)) for start in starts})
    assert window_bounds(total, 4, 2, to_the_end=True) == expected
    assert max(expected)[1] == total or total - 4 in starts


def test_the_end_of_a_song_is_a_setting_of_the_segments(corpus, tmp_path):
    """Songs of 7 s: the last whole window ends at 6 s."""
    run_on(corpus, tmp_path / "all", Halves(), measures=(), to_the_end=True, quietest_lufs=-200)
    table = segment_table(tmp_path / "all")
    loud = table[~table["track"].str.endswith(" 2")]
    assert loud["start_seconds"].tolist() == [0, 1.5, 3, 4, 4.5]
    assert loud["duration_seconds"].tolist() == [3, 3, 3, 3, 2.5]
    with pytest.raises(
        ConfigError, match="made with other settings .window_and_hop_seconds differ"
    ):
        run_on(corpus, tmp_path / "all", Halves(), measures=(), quietest_lufs=-200)


def test_a_segment_is_its_part_of_the_song(corpus):
    segments = Segments(corpus, WINDOW, HOP)
    item = segments[1]
    start, stop = (round(t * music.SAMPLE_RATE) for t in (HOP, HOP + WINDOW))
    for name, signal in {"mix": item["mix"], **item["sources"]}.items():
        whole = corpus[0]["mix"] if name == "mix" else corpus[0]["sources"][name]
        np.testing.assert_array_equal(signal.audio_data, whole.audio_data[:, start:stop])
        assert signal.stft_params == music.STFT_PARAMS
    assert item["metadata"]["start_seconds"] == HOP
    assert item["metadata"]["track"] == corpus.names[0]


def test_a_broken_recording_fails_and_the_others_are_done(tmp_path):
    for name in ("a", "c"):
        voices_of = np.random.RandomState(0).randn(music.SAMPLE_RATE)
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * voices_of, music.SAMPLE_RATE)
    (tmp_path / "b.wav").write_text("no audio at all, of any length")
    recordings = build_dataset(AudioFolder(tmp_path, sample_rate=music.SAMPLE_RATE), "songs")
    out, short = tmp_path / "out", {"window_seconds": 0.5, "hop_seconds": 0.5, "measures": ()}
    with pytest.raises(ItemsFailed, match="b_0000: .*b.wav can't be read as audio"):
        run_on(recordings, out, Halves(), **short)
    made = ["a_0000", "a_0001", "c_0000", "c_0001"]
    assert sorted(results_in(out)) == made
    (tmp_path / "c.wav").write_text("a disk that fails for a while")
    with pytest.raises(ItemsFailed, match="c_0000: .*c.wav can't be read as audio"):
        run_on(recordings, out, Halves(), **short)
    assert sorted(results_in(out)) == made  # nothing of it is thrown away


def test_a_hop_longer_than_a_window_is_told(corpus):
    with pytest.raises(ConfigError, match="hop_seconds = 2.0 with window_seconds = 1.0"):
        Segments(corpus, 1.0, 2.0)


def test_segments_are_written_with_scores_and_confidences(segments, corpus):
    results = results_in(segments)
    kept = {name: one for name, one in results.items() if "skipped" not in one}
    assert len(results) == 6 and len(kept) < 6
    for name, result in kept.items():
        audio = {k: soundfile.read(segments / k / f"{name}.wav")[0] for k in ("mix", "s0", "s1")}
        np.testing.assert_allclose(audio["s0"] + audio["s1"], audio["mix"], atol=1e-4)
        assert set(result["confidences"]) == set(MEASURED)
        assert all(0 <= value <= 1 for value in result["confidences"].values())
        assert set(result["scores"]) == set(music.SOURCES)
        assert result["metadata"]["loudness_lufs"] > -40
    first = Segments(corpus, WINDOW, HOP)[0]
    estimates = [nussl.AudioSignal(str(segments / k / f"{min(kept)}.wav")) for k in ("s0", "s1")]
    expected = BSSEvalScale()(first["sources"], estimates, first["mix"])["vocals"]["SI-SDRi"]
    assert kept[min(kept)]["scores"]["vocals"]["SI-SDRi"] == pytest.approx(expected, abs=1e-3)


def test_a_window_need_not_be_a_whole_number_of_frames(corpus, tmp_path):
    run_on(corpus, tmp_path, FT2D(), measures=(), window_seconds=3.003, hop_seconds=3.003)
    assert len(results_in(tmp_path)) == 4
    assert {len(soundfile.read(path)[0]) for path in tmp_path.glob("s?/*.wav")} == {48048}


def test_silence_is_skipped_and_said(segments):
    skipped = {name for name, one in results_in(segments).items() if "skipped" in one}
    assert skipped and all(name.split("_")[0].endswith(" 2") for name in skipped)
    assert not any((segments / "s0" / f"{name}.wav").exists() for name in skipped)
    assert skipped.isdisjoint(segment_table(segments).index)


def test_a_restart_does_what_is_missing(corpus, tmp_path):
    run_on(corpus, tmp_path / "a", Halves(), measures=())
    before = files_in(tmp_path / "a/results")
    lost = sorted(before)[0]
    content = read_json(lost)
    lost.unlink()
    run_on(corpus, tmp_path / "a", Halves(), measures=())
    after = files_in(tmp_path / "a/results")
    assert {path for path in after if after[path] != before[path]} == {lost}
    made_again = read_json(lost)
    for result in (content, made_again):  # float WAV holds the time that it was written
        assert set(result["metadata"].pop("files")) == {
            f"{s}/{lost.stem}.wav" for s in ("mix", "s0", "s1")
        }
    assert made_again == content


def test_a_song_that_is_gone_is_chosen_no_more(tmp_path, caplog):
    caplog.set_level("INFO")
    data = music.render_mono(tmp_path / "songs", 2, 4.0)
    both = music.open_songs(data)
    run_on(both, tmp_path / "a", Halves(), measures=())
    (tmp_path / "a/results/notes.json").write_text("{}")
    gone = both.names[0]
    for path in data.glob(f"*/{gone}.wav"):
        path.unlink()
    before = set(files_in(tmp_path / "a/s0"))
    run_on(music.open_songs(data), tmp_path / "a", Halves(), measures=())
    left = set(results_in(tmp_path / "a")) - {"notes"}
    assert left and not any(name.startswith(gone) for name in left)
    assert (tmp_path / "a/results/notes.json").exists()
    assert set(files_in(tmp_path / "a/s0")) == before
    assert "results of segments that are no longer in the data" in caplog.text


def test_workers_write_the_same(corpus, segments, tmp_path):
    run_on(corpus, tmp_path / "a", SEPARATOR, num_workers=1)
    there, here = segment_table(tmp_path / "a"), segment_table(segments)
    shared = ["confidence", "vocals.SI-SDRi", "accompaniment.SI-SDR", "loudness_lufs"]
    np.testing.assert_allclose(there[shared], here[shared], rtol=1e-3)
    assert list(there.index) == list(here.index)


def test_two_separators_never_share_a_folder(corpus, segments, tmp_path):
    before = files_in(segments)
    for settings in ({"separator": Halves(), "measures": ()}, {"hop_seconds": 3.0}):
        with pytest.raises(ConfigError, match="holds segments made with other settings"):
            run_on(corpus, segments, **{"separator": SEPARATOR, "measures": MEASURES, **settings})
    assert files_in(segments) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds files but no segments.json"):
        run_on(corpus, tmp_path, Halves(), measures=())


def test_failures_are_told_at_the_end(corpus, tmp_path):
    with pytest.raises(ItemsFailed, match="too hard"):
        run_on(corpus, tmp_path / "a", Halves(fails=True), measures=())


@pytest.mark.parametrize(
    ("separator", "measures", "sentence"),
    [
        (Halves(), ("silhouette",), "Halves has no features to measure a confidence on"),
        (Halves(), ("certainty",), "measures has 'certainty': choose from silhouette"),
    ],
)
def test_a_mistake_in_the_measures_is_told(corpus, tmp_path, separator, measures, sentence):
    with pytest.raises(ConfigError, match=sentence):
        run_on(corpus, tmp_path / "a", separator, measures=measures)


def test_confidence_is_high_for_clusters_and_low_for_fog():
    random = np.random.RandomState(0)
    noise = random.randn(1, 20000).astype(np.float32)
    mix = nussl.AudioSignal(audio_data_array=noise, sample_rate=8000)
    shape = mix.stft().shape
    fog = random.rand(*shape, 2)
    clear = np.eye(2)[(random.rand(*shape) > 0.5).astype(int)] + 0.05 * fog
    np.random.seed(0)
    of_fog = measure_confidence(Separation([mix, mix], {"mask": fog}, mix), MEASURES)
    of_clusters = measure_confidence(Separation([mix, mix], {"mask": clear}, mix), MEASURES)
    assert set(of_fog) == set(MEASURED)
    told_apart = [name for name in MEASURED if name != "loudness"]  # both have two equal halves
    assert all(of_clusters[name] > of_fog[name] for name in told_apart)
    assert of_clusters["confidence"] > 0.5 > 0.1 > of_fog["confidence"]
    silence = {"mask": np.zeros((*shape, 2))}
    nothing = measure_confidence(Separation([mix, mix], silence, mix), MEASURES)
    assert np.isnan([nothing[name] for name in MEASURED]).all()


def test_the_share_of_loud_bins_is_a_setting_of_the_segments(corpus, segments, tmp_path):
    run_on(corpus, tmp_path / "loudest", SEPARATOR, measures=MEASURES, loud_percentile=99)
    assert not segment_table(tmp_path / "loudest")["posterior"].equals(
        segment_table(segments)["posterior"]
    )
    with pytest.raises(ConfigError, match="other settings"):
        run_on(corpus, tmp_path / "loudest", SEPARATOR, measures=MEASURES)


def test_recordings_without_stems(corpus, tmp_path):
    (tmp_path / "music/rock").mkdir(parents=True)
    for path, item in zip(("rock/one.wav", "two.wav"), corpus, strict=True):
        audio = item["mix"].audio_data.T
        soundfile.write(tmp_path / "music" / path, audio, music.SAMPLE_RATE, "FLOAT")
    dataset = AudioFolder(tmp_path / "music", sample_rate=music.SAMPLE_RATE)
    run_on(build_dataset(dataset, "music"), tmp_path / "out", HPSS)
    table = segment_table(tmp_path / "out")
    assert set(table["label"]) == {"rock", "unlabelled"}
    assert "SI-SDRi" not in table and table["confidence"].between(0, 1).all()
    with pytest.raises(ConfigError, match="plot_calibration needs SI-SDRi"):
        plot_calibration(None, tmp_path / "out")


def test_fifths_share_nothing_and_leave_nothing_out(segments):
    table = segment_table(segments)
    fifths = [PercentilesBetween(low, low + 20)(table) for low in range(0, 100, 20)]
    assert (sum(fifth.astype(int) for fifth in fifths) == 1).all()
    top = table[PercentilesBetween(50, 100)(table)]
    assert top["confidence"].min() >= table["confidence"].median()
    assert PercentilesBetween(0, 100, "silhouette")(table).all()
    with pytest.raises(ConfigError, match="PercentilesBetween.column = 'trust'"):
        PercentilesBetween(0, 100, "trust")(table)


def test_links_follow_the_rules_and_move_with_their_folders(segments, tmp_path):
    destination = tmp_path / "links"
    construct_symlink_folder(None, segments, destination, [PercentilesBetween(0, 100)])
    everything = {path for path in destination.rglob("*.wav")}
    assert len(everything) == 3 * len(segment_table(segments))
    assert all(path.is_symlink() and path.exists() for path in everything)
    assert not any(os.path.isabs(path.readlink()) for path in everything)
    track = segment_table(segments)["track"].iloc[0]
    rules = [LabelIn(track, "track"), PercentilesBetween(50, 100)]
    construct_symlink_folder(None, segments, destination, rules)
    fewer = {path for path in destination.rglob("*.wav")}
    assert 0 < len(fewer) < len(everything) and all(track in path.name for path in fewer)
    assert len(music.open_songs(destination, ["s0", "s1"])) == len(fewer) // 3
    with pytest.raises(ConfigError, match="LabelIn.* leaves no segment"):
        construct_symlink_folder(None, segments, destination, [LabelIn(["jazz"])])


def test_several_folders_are_chosen_from_as_one(segments, tmp_path):
    other = tmp_path / "other"
    for path in segments.rglob("*.*"):
        if path.parent != segments:
            copied = other / path.parent.name / f"other {path.name}"
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
    for path in other.glob("results/*.json"):  # of a version that did not note the audio's names
        result = read_json(path)
        result["metadata"].pop("files", None)
        write_json(path, result)
    both, rules = [segments, other], [PercentilesBetween(50, 100)]
    construct_symlink_folder(None, both, tmp_path / "links", rules)
    targets = [path.resolve() for path in (tmp_path / "links/s0").iterdir()]
    assert len(targets) == len(segment_table(segments))
    assert {path.parent.parent for path in targets} == set(both)
    with pytest.raises(ConfigError, match="has several segments .*; rename a recording"):
        construct_symlink_folder(None, [segments, segments], tmp_path / "twice", rules)


@pytest.mark.parametrize("intruder", ["s0/mine.wav", "notes.txt", "s1/stranger.wav"])
def test_a_folder_with_anything_else_is_not_touched(segments, tmp_path, intruder):
    rules = [PercentilesBetween(0, 100)]
    construct_symlink_folder(None, segments, tmp_path / "links", rules)
    path = tmp_path / "links" / intruder
    path.symlink_to(segments) if "stranger" in intruder else path.write_text("mine")
    before = sorted((tmp_path / "links").rglob("*"))
    with pytest.raises(ConfigError, match=f"holds {path.name}, which is not a link"):
        construct_symlink_folder(None, segments, tmp_path / "links", rules)
    assert sorted((tmp_path / "links").rglob("*")) == before


def test_what_a_selection_names_outside_its_folder_is_kept(segments, tmp_path):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("the only copy")
    write_json(tmp_path / "links/selection.json", {"links": ["../thesis.txt"]})
    with pytest.raises(ConfigError, match="'../thesis.txt' leads out of .*/links, which"):
        construct_symlink_folder(None, segments, tmp_path / "links", [PercentilesBetween(0, 100)])
    assert thesis.exists()


def test_the_correlation_has_its_interval():
    random = np.random.RandomState(0)
    x = random.randn(200)
    fit = correlate([*x, np.nan], [*(2 * x + 3 + random.randn(200)), 1.0])
    assert fit.num == 200 and fit.low < fit.r < fit.high
    assert fit.r == pytest.approx(2 / np.sqrt(5), abs=0.05)
    width = np.arctanh(fit.high) - np.arctanh(fit.low)
    assert width == pytest.approx(2 * 1.96 / np.sqrt(197), abs=1e-3)
    assert (fit.slope, fit.intercept) == pytest.approx((2, 3), abs=0.2)
    with pytest.raises(ConfigError, match="A correlation needs 4 or more segments that differ"):
        correlate([1, 2, 3], [1, 2, 3])


def test_the_calibration_is_drawn(segments):
    plot_calibration(None, segments, "vocals.SI-SDRi")
    assert (segments / "calibration.png").read_bytes().startswith(b"\x89PNG")
    assert (segments / "calibration.pdf").read_bytes().startswith(b"%PDF")
    found = json.loads((segments / "calibration.json").read_text())
    assert set(found["measures"]) == set(MEASURED)
    assert found["measures"]["confidence"]["num"] == len(segment_table(segments))


def test_a_network_trains_on_pseudo_sources(segments, tmp_path):
    """The whole way by main.py: links, then one epoch on s0 and s1."""
    links, choice = tmp_path / "links", tmp_path / "choice.gin"
    choice.write_text(
        f"construct_symlink_folder.segments = '{segments}'\n"
        f"construct_symlink_folder.destination = '{links}'\n"
        "construct_symlink_folder.rules = [@PercentilesBetween()]\n"
        "PercentilesBetween.perc_min = 20\n"
        "PercentilesBetween.perc_max = 100\n"
    )
    road.call("construct_symlink_folder", choice)
    data = [
        f"{role}/build_dataset.dataset = @MixSourceFolder()" for role in ("train", "val", "test")
    ]
    data += [f"MixSourceFolder.folder = '{links}'", "MixSourceFolder.sample_rate = 16000"]
    data += ["MixSourceFolder.stft_params = @STFTParams()", "train.num_epochs = 1"]
    (run,) = road.instantiate(tmp_path, tmp_path, *data, "sweep.parameters = {}")
    road.call("train", run.config)
    model = nussl.ml.SeparationModel.load(str(run.checkpoints / "best.model.pth"))[1]
    assert model["sample_rate"] == 16000


def test_the_shipped_recipe_walks_the_road(tmp_path):
    prepared = music.prepare(music.render(tmp_path), tmp_path / "prepared")
    paths = [f"MUSDB_ROOT = '{tmp_path}'", f"MUSDB_PREPARED = '{prepared}'"]
    paths += [f"SEGMENTS = '{tmp_path / 'segments'}'", f"CHOSEN = '{tmp_path / 'chosen'}'"]
    small = ["segment_and_separate.num_workers = 0", "segment_and_separate.window_seconds = 3.0"]
    small += [
        "segment_and_separate.hop_seconds = 3.0",
        "segment_and_separate.quietest_lufs = -60.0",
    ]
    for command in ("segment_and_separate", "plot_calibration", "construct_symlink_folder"):
        road.call(command, *RECIPE, *paths, *small)
    assert len(segment_table(tmp_path / "segments")) == 6
    chosen = music.open_songs(tmp_path / "chosen", ["s0", "s1"])
    assert 1 <= len(chosen) <= 2


@pytest.mark.parametrize(
    ("kind", "separator"), [("embedding", EmbeddingClustering), ("mask", MaskEstimation)]
)
def test_a_network_can_be_the_teacher(tmp_path, kind, separator):
    path = voices.save_network(tmp_path / "run/model.pth", kind)
    corpus = voices.open_corpus(voices.write_corpus(tmp_path / "data", 2))
    network = separator(2, "model.pth") if kind == "embedding" else separator("model.pth")
    settings = {"device": "cpu", "window_seconds": 1.0}
    segment_and_separate(
        Run(path.parent), corpus, network, tmp_path / "out", hop_seconds=1.0, **settings
    )
    table = segment_table(tmp_path / "out")
    assert len(table) == 2 and table["confidence"].between(0, 1).all()
    voices.save_network(path, kind, seed=1)
    with pytest.raises(ConfigError, match="made with other settings .separator differ"):
        segment_and_separate(
            Run(path.parent), corpus, network, tmp_path / "out", hop_seconds=1.0, **settings
        )
