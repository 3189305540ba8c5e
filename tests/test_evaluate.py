"""evaluate: what it writes, what it skips, what it refuses."""

import json
import logging
import os
import re

import gin
import numpy as np
import nussl
import pytest
import soundfile

from audition import code
from audition.audio.estimates import has_estimates, read_estimates, write_estimates
from audition.commands.evaluate import evaluate
from audition.errors import ConfigError
from audition.metrics import BSSEvalScale, BSSEvalV4, PrecisionRecallFScore
from audition.parallel import ItemsFailed
from audition.runs.folder import Run
from audition.runs.memory import CLEAR_REFS, PeakMemory
from audition.separators import MaskEstimation, NusslSeparator, Separator, nussl_recipes
from tests.support import road
from tests.support.training import QUICK
from tests.support.voices import open_corpus, save_network, write_corpus

ORACLE = nussl_recipes()["nussl.separation.benchmark.IdealRatioMask"]()
HPSS = nussl_recipes()["nussl.separation.primitive.HPSS"]()


class Counting(Separator):
    """The mixture, twice; remembers in the run's folder how often it was asked."""

    def __init__(self, log_path, gain=0.5):
        self.log_path = str(log_path)
        self.gain = gain

    def passport(self):
        return {"gain": self.gain}

    def finish(self, mix, device_output, sources=None):
        with open(self.log_path, "a") as file:
            file.write("asked\n")
        return [mix * self.gain, mix * self.gain]


class BreaksOnSecond(Separator):
    """Fails on the track of 1.05 s."""

    def finish(self, mix, device_output, sources=None):
        if mix.signal_length == round(1.05 * mix.sample_rate):
            raise ValueError("this one is too hard")
        return [mix, mix]


class Chance(Separator):
    """Noise, whatever the mixture."""

    def finish(self, mix, device_output, sources=None):
        noise = np.random.randn(2, mix.num_channels, mix.signal_length)
        return [mix.make_copy_with_audio_data(one) for one in noise]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run0"
    folder.mkdir()
    return Run(folder)


@pytest.fixture
def corpus(tmp_path):
    return open_corpus(write_corpus(tmp_path / "data", 3))


def read_results(run):
    return {path.stem: json.loads(path.read_text()) for path in run.results.glob("*.json")}


def scores_of(run):
    results = read_results(run)
    return {
        name: {s: v for s, v in one.items() if s != "metadata"} for name, one in results.items()
    }


def test_scores_equal_the_plain_nussl_loop(tmp_path, run, corpus):
    path = save_network(run.checkpoints / "best.model.pth")
    evaluate(run, corpus, MaskEstimation(), device="cpu", batch_size=2)
    for name, scores in scores_of(run).items():
        item = corpus[corpus.names.index(name)]
        estimates = nussl.separation.deep.DeepMaskEstimation(item["mix"], str(path))()
        sources = [*item["sources"].values()]
        expected = nussl.evaluation.BSSEvalScale(sources, estimates, ["s1", "s2"]).evaluate()
        for source in ("s1", "s2"):
            for column, values in scores[source].items():
                np.testing.assert_allclose(values, expected[source][column], atol=1e-3)
    assert nussl.evaluation.aggregate_score_files(list(run.results.glob("*.json"))).shape == (6, 14)


def test_workers_give_the_same(run, corpus, tmp_path):
    other = Run(tmp_path / "run1")
    save_network(run.checkpoints / "best.model.pth")
    save_network(other.checkpoints / "best.model.pth")
    metrics = [BSSEvalScale(), PrecisionRecallFScore()]
    evaluate(run, corpus, MaskEstimation(), metrics, device="cpu")
    evaluate(other, corpus, MaskEstimation(), metrics, device="cpu", num_workers=1)
    assert read_results(run) == read_results(other)
    assert {"SI-SDR", "F1-Score"} <= set(scores_of(run)["track0"]["s1"])


def test_restart_skips_what_is_done(run, corpus, tmp_path):
    log = tmp_path / "asked"
    evaluate(run, corpus, Counting(log))
    written = {path: path.stat().st_mtime_ns for path in run.results.iterdir()}
    (run.results / "track1.json").unlink()
    evaluate(run, corpus, Counting(log), batch_size=1)
    assert log.read_text().count("asked") == 4
    assert len(written) == 3
    for path in (run.results / "track0.json", run.results / "track2.json"):
        assert path.stat().st_mtime_ns == written[path]


@pytest.mark.parametrize(
    "change",
    [
        {"separator_gain": 0.25},
        {"metrics": [BSSEvalScale(compute_permutation=True)]},
        {"seed": 1},
        {"piece_seconds": 0.5, "overlap_seconds": 0.1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_settings_replace_old_scores(run, corpus, tmp_path, change):
    log = tmp_path / "asked"
    evaluate(run, corpus, Counting(log))
    before = {name: one["metadata"]["passport"] for name, one in read_results(run).items()}
    separator = Counting(log, change.pop("separator_gain", 0.5))
    evaluate(run, corpus, separator, **change)
    assert log.read_text().count("asked") >= 6
    after = {name: one["metadata"]["passport"] for name, one in read_results(run).items()}
    assert all(before[name] != after[name] for name in corpus.names)


def test_other_code_replaces_old_scores_and_is_named(run, corpus, tmp_path, monkeypatch, caplog):
    log = tmp_path / "asked"
    evaluate(run, corpus, Counting(log))
    content, imported = code.read("audition.metrics.bss_eval")
    changed = {"audition.metrics.bss_eval": (content[::-1], imported)}
    read = code.read
    monkeypatch.setattr(code, "read", lambda name: changed.get(name) or read(name))
    with caplog.at_level("INFO"):
        evaluate(run, corpus, Counting(log))
    assert "made before audition.metrics.bss_eval changed: they are scored again" in caplog.text
    assert log.read_text().count("asked") == 6
    evaluate(run, corpus, Counting(log))
    assert log.read_text().count("asked") == 6


def test_other_stft_settings_replace_old_scores(run, corpus):
    """Algorithms without a network work in the STFT of the test data."""
    evaluate(run, corpus, ORACLE)
    before = scores_of(run)
    corpus.dataset.stft_params = nussl.STFTParams(1024, 256, "sqrt_hann")
    evaluate(run, corpus, ORACLE)
    assert scores_of(run)["track0"] != before["track0"]


def test_results_say_what_audio_was_scored(run, corpus, tmp_path):
    evaluate(run, corpus, HPSS)
    before = {name: one["metadata"]["audio"] for name, one in read_results(run).items()}
    found = [one for audio in before.values() for one in (audio["mix"], *audio["sources"].values())]
    assert len(set(found)) == len(found) == 9
    path = tmp_path / "data" / "s2" / "track1.wav"
    audio, rate = soundfile.read(path, dtype="float32")
    audio[100] += 1e-4
    soundfile.write(path, audio, rate, subtype="FLOAT")
    evaluate(run, corpus, HPSS)  # sees that the file of a reference is another
    after = {name: one["metadata"]["audio"] for name, one in read_results(run).items()}
    changed = after["track1"]["sources"].pop("s2"), before["track1"]["sources"].pop("s2")
    assert changed[0] != changed[1] and after == before


def test_other_checkpoint_replaces_old_scores(run, corpus):
    path = save_network(run.checkpoints / "best.model.pth")
    evaluate(run, corpus, MaskEstimation(), device="cpu")
    before = scores_of(run)
    save_network(path, seed=1)
    evaluate(run, corpus, MaskEstimation(), device="cpu")
    assert scores_of(run)["track0"] != before["track0"]


def test_changed_and_vanished_tracks(run, corpus, tmp_path):
    log = tmp_path / "asked"
    evaluate(run, corpus, Counting(log))
    (run.results / "mine.json").write_text("{}")
    (run.results / "list.json").write_text("[1]")
    os.utime(tmp_path / "data" / "mix" / "track0.wav", ns=(1, 1))
    corpus.dataset.items = corpus.dataset.items[:2]
    smaller = type(corpus)(corpus.dataset, "test", None)
    evaluate(run, smaller, Counting(log))
    left = sorted(path.stem for path in run.results.iterdir())
    assert left == ["list", "mine", "track0", "track1"]
    assert json.loads((run.folder / "evaluation.json").read_text())["tracks"] == smaller.names


def test_a_failing_track_is_named_after_the_others_are_done(run, corpus):
    with pytest.raises(ItemsFailed, match="track1: ValueError: this one is too hard"):
        evaluate(run, corpus, BreaksOnSecond())
    assert sorted(read_results(run)) == ["track0", "track2"]


def test_unreadable_first_track_stops_no_other(run, corpus, tmp_path):
    (tmp_path / "data" / "s1" / "track0.wav").write_text("no audio")
    with pytest.raises(ItemsFailed, match="track0: cannot be read"):
        evaluate(run, corpus, HPSS)
    assert sorted(read_results(run)) == ["track1", "track2"]


def test_mistakes_in_settings_stop_at_the_first_track(run, corpus):
    three = NusslSeparator(nussl.separation.benchmark.MixAsEstimate, {"num_sources": 3})
    with pytest.raises(ConfigError, match="3 estimate.*compute_permutation = True"):
        evaluate(run, corpus, three)
    with pytest.raises(ConfigError, match="both give .*SI-SDR"):
        evaluate(run, corpus, HPSS, [BSSEvalScale(), BSSEvalScale(compute_permutation=True)])
    with pytest.raises(ConfigError, match="evaluate.metrics is empty"):
        evaluate(run, corpus, HPSS, [])
    assert not read_results(run)


def test_mistakes_in_settings_leave_old_scores(run, corpus):
    evaluate(run, corpus, HPSS)
    before = read_results(run), (run.folder / "evaluation.json").read_text()
    three = NusslSeparator(nussl.separation.benchmark.MixAsEstimate, {"num_sources": 3})
    with pytest.raises(ConfigError, match="3 estimate"):
        evaluate(run, corpus, three)
    assert (read_results(run), (run.folder / "evaluation.json").read_text()) == before


def test_audio_is_kept_in_float(run, corpus):
    evaluate(run, corpus, ORACLE, save_audio=True)
    for name in corpus.names:
        for source in ("s1", "s2"):
            path = run.audio / name / f"{source}.wav"
            assert soundfile.info(path).subtype == "FLOAT"
            audio, _ = soundfile.read(path)
            truth = corpus[corpus.names.index(name)]["sources"][source].audio_data[0]
            assert np.corrcoef(audio, truth)[0, 1] > 0.9


def test_kept_audio_comes_back_in_the_order_that_was_scored(tmp_path):
    """A separator may give more estimates than there are sources."""
    mix, sources = (
        nussl.AudioSignal(audio_data_array=np.zeros((2, 9)), sample_rate=8000),
        ["a", "b"],
    )
    estimates = [mix.make_copy_with_audio_data(mix.audio_data + level) for level in (2.5, -0.5, 1)]
    write_estimates(tmp_path / "track", sources, estimates)
    assert has_estimates(tmp_path / "track", sources)
    found = read_estimates(tmp_path / "track", sources, mix)
    for estimate, read in zip(estimates, found, strict=True):
        np.testing.assert_array_equal(read.audio_data, estimate.audio_data)
    write_estimates(tmp_path / "track", sources, estimates[:2])
    assert len(read_estimates(tmp_path / "track", sources, mix)) == 2
    (tmp_path / "track" / "b.wav").unlink()
    assert not has_estimates(tmp_path / "track", sources)


def test_estimates_that_the_system_does_not_open_are_an_error_of_the_system(tmp_path):
    (tmp_path / "a.wav").symlink_to("a.wav")  # as a file without permission, which root may read
    with pytest.raises(OSError, match=r"\[Errno \d+\].*a\.wav"):
        read_estimates(tmp_path, ["a"], None)


def test_memory_is_that_of_the_step_itself():
    """Linux forgets the peak of what was before, such as a training in the same process, if asked."""
    taken = bytearray(2**28)
    before = PeakMemory().measure()["peak_memory_bytes"]
    del taken
    forgets = os.access(CLEAR_REFS, os.W_OK)
    assert (PeakMemory().measure()["peak_memory_bytes"] < before - 2**27) == forgets


def test_memory_is_known_where_the_status_of_a_process_says_less(tmp_path, monkeypatch):
    monkeypatch.setattr("audition.runs.memory.STATUS", tmp_path / "status")
    assert PeakMemory().measure()["peak_memory_bytes"] > 2**26
    (tmp_path / "status").write_text("Name:\tpython\nVmRSS:\t1 kB\n")
    assert PeakMemory().measure()["peak_memory_bytes"] > 2**26


def test_silent_source_is_said_aloud(run, corpus, tmp_path, caplog):
    path = tmp_path / "data" / "s2" / "track1.wav"
    soundfile.write(path, np.zeros(soundfile.info(path).frames), 8000)
    with caplog.at_level(logging.WARNING):
        evaluate(run, corpus, HPSS, [BSSEvalScale(), BSSEvalV4()])
    assert "track1: source s2 is silent" in caplog.text
    assert np.isnan(scores_of(run)["track1"]["s2"]["SI-SDR"]).all()
    assert np.isfinite(scores_of(run)["track1"]["s1"]["SDR"]).all()


def test_every_track_has_a_seed_of_its_own(run, corpus):
    """Else chance would fall alike on all tracks, and the test would take it for skill."""
    evaluate(run, corpus, Chance(), save_audio=True)
    noise = [soundfile.read(run.audio / name / "s1.wav")[0][:4000] for name in corpus.names]
    correlations = np.corrcoef(noise) - np.eye(3)
    assert np.abs(correlations).max() < 0.1
    before = scores_of(run)
    (run.results / "track1.json").unlink()
    evaluate(run, corpus, Chance(), save_audio=True, batch_size=1)
    assert scores_of(run) == before


def test_required_bindings_are_named(run):
    with pytest.raises(RuntimeError, match="test_data"):
        gin.get_configurable("evaluate")(run)


def test_evaluate_ends_with_the_card_and_its_headline(instantiate, capsys):
    baseline = "evaluate.separator = @nussl.separation.benchmark.MixAsEstimate()"
    (run,) = instantiate(baseline, "MixAsEstimate.num_sources = 2")
    road.call("evaluate", run.config)
    headline = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"SI-SDR -?\d+\.\d\d ± \d+\.\d\d, median -?\d+\.\d\d, 4 tracks: ", headline)
    assert headline.endswith(str(run.report_card_txt))
    before = run.report_card_txt.read_text()
    road.call("evaluate", run.config, "evaluate.metrics = [@PrecisionRecallFScore()]")
    assert run.report_card_txt.read_text() != before  # no card of scores that are gone


def test_sources_are_in_one_order_whatever_the_binding_says(instantiate):
    """Outputs of stored networks keep their meaning, and the order is told."""
    runs = [
        instantiate(*QUICK, "evaluate.save_audio = True", sources)[-1]
        for sources in ("SOURCES = ['s1', 's2']", "SOURCES = ['s2', 's1']")
    ]
    for run in runs:
        road.call("train", run.config)
        road.call("evaluate", run.config)
        for path in run.logs.glob("*.log"):
            told = "Sources are s1, s2: in alphabetical order in network outputs, results and audio"
            assert told in path.read_text()
    first, second = map(read_results, runs)
    for name, one in first.items():
        other = second[name]
        assert list(one) == list(other) == ["s1", "s2", "metadata"]
        assert one["s1"] == other["s1"]
        for source in ("s1.wav", "s2.wav"):
            audio, again = (soundfile.read(run.audio / name / source)[0] for run in runs)
            assert np.array_equal(audio, again)
