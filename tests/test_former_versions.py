"""What version 0.1 wrote, with the module in every class's name, is still read: tests/former holds it."""

import os
import shutil
from pathlib import Path

import numpy as np
import nussl
import pytest
from nussl.separation.primitive import HPSS
from pandas.testing import assert_frame_equal

from audition import registry
from audition.bootstrap.segments import segment_table
from audition.commands import evaluate as evaluating
from audition.commands import segment_and_separate as segmenting
from audition.datasets import build_dataset, waveform_cache
from audition.datasets.corpora import MixSourceFolder, OnTheFly
from audition.datasets.transforms import KeepSources
from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.identity import describe, former, without_addresses
from audition.metrics import BSSEvalScale, PrecisionRecallFScore
from audition.mixing.mixers import CoherentMixer
from audition.mixing.scenes import Scene
from audition.reports.evaluations import check_comparable, read_evaluation
from audition.reports.report_card import score_table
from audition.runs.folder import Run
from audition.separators import NusslSeparator
from tests.support import corpora

FORMER = Path(__file__).parent / "former"
WRITTEN_NS = 10**18  # the time of the corpus' files when version 0.1 scored them
STFT_PARAMS = nussl.STFTParams(256, 64, "sqrt_hann")
SEPARATOR = NusslSeparator(HPSS, {"mask_type": "soft"})
METRICS = [BSSEvalScale(), PrecisionRecallFScore()]
CONST = {name: ("const", 0) for name in ("source_time", "event_time", "snr")}


@pytest.fixture
def stems(tmp_path):
    """The corpus that version 0.1 worked on, to the byte and the second."""
    folder = corpora.write_folders(tmp_path / "stems", num_channels=1)
    for path in folder.rglob("*.wav"):
        os.utime(path, ns=(WRITTEN_NS, WRITTEN_NS))
    return folder


@pytest.fixture
def data(stems):
    dataset = MixSourceFolder(
        str(stems),
        source_folders=["bass", "drums"],
        sample_rate=8000,
        stft_params=STFT_PARAMS,
        transform=KeepSources(["bass", "drums"]),
    )
    return build_dataset(dataset, "test")


@pytest.fixture(autouse=True)
def packages_of_then(monkeypatch):
    """The versions that stand in the artefacts; a newer NumPy is another story."""
    registry.register()
    for command, name in ((evaluating, "run/evaluation"), (segmenting, "segments/segments")):
        packages = read_json(FORMER / f"{name}.json")["packages"]
        monkeypatch.setattr(command, "public_versions", lambda names, found=packages: found)


@pytest.fixture
def run(tmp_path):
    return Run(shutil.copytree(FORMER / "run", tmp_path / "run"))


def scores(run):
    results = {path.stem: read_json(path) for path in run.results.glob("*.json")}
    return {
        name: {k: v for k, v in one.items() if k != "metadata"} for name, one in results.items()
    }


def evaluate(run, data, metrics=METRICS):
    evaluating.evaluate(run, test_data=data, separator=SEPARATOR, metrics=metrics)


def test_results_are_scored_once_more_as_nobody_knows_by_which_code(run, data, caplog, monkeypatch):
    before = scores(run)
    with caplog.at_level("INFO"):
        evaluate(run, data)
    assert "made by a version that did not record its code: they are scored again" in caplog.text
    for name, sources in scores(run).items():
        for source, columns in before[name].items():
            for score, values in columns.items():
                assert sources[source][score] == pytest.approx(values, abs=1e-4)
    monkeypatch.setattr(NusslSeparator, "finish", None)  # whoever separates fails
    described = read_json(run.folder / "evaluation.json")
    assert [metric["class"] for metric in described["metrics"]] == [
        "BSSEvalScale",
        "PrecisionRecallFScore",
    ]
    evaluate(run, data)


def test_what_may_be_a_silent_estimate_is_scored_again_and_refused_until_then(run, data):
    """Version 0.1 left it out, as NaN; of a silent source, SNR was NaN as well."""
    before = score_table(run)
    path = run.results / "a.json"
    result = read_json(path)
    result["bass"] |= {"SI-SDR": [float("nan")], "SNR": [float("nan")]}
    write_json(path, result)
    assert len(score_table(run)) == len(before)
    result["bass"]["SNR"] = [0.0]
    write_json(path, result)
    with pytest.raises(
        ConfigError, match="a.json can't be used: version 0.1 wrote it, which left out"
    ):
        score_table(run)
    evaluate(run, data)
    assert np.isfinite(score_table(run)["SI-SDR"]).all()


def test_results_of_two_versions_are_one_evaluation(run, data):
    (run.results / "b.json").unlink()
    evaluate(run, data)
    assert set(read_evaluation(run, "both").audio) == {"a", "b", "c"}


def test_other_settings_and_other_files_are_still_told_apart(run, data, stems):
    path = stems / "bass" / "a.wav"
    os.utime(path, ns=(WRITTEN_NS + 1, WRITTEN_NS + 1))
    written = (run.results / "a.json").stat().st_mtime_ns
    evaluate(run, data)
    assert (run.results / "a.json").stat().st_mtime_ns > written
    evaluate(run, data, metrics=METRICS[1:])
    assert all("SI-SDR" not in one["bass"] for one in scores(run).values())


def test_compare_puts_old_beside_new(run, data, tmp_path):
    new = Run(tmp_path / "new")
    evaluate(new, data)
    check_comparable(read_evaluation(run, "old"), read_evaluation(new, "new"))


def test_a_cache_is_complete(stems, tmp_path):
    parameters = {"source_file": ("choose", []), "event_duration": ("const", 0.25), **CONST}
    scene = Scene(str(stems), duration_seconds=0.25, sample_rate=8000, ref_db=-20)
    mixer = CoherentMixer(scene, ["bass", "drums"], parameters, seed=0)
    dataset = OnTheFly(mix_closure=mixer, num_mixtures=2, sample_rate=8000, stft_params=STFT_PARAMS)
    data = build_dataset(dataset, "train", cache_root=str(tmp_path / "cache"))
    assert waveform_cache.fill(data)
    folder = waveform_cache.home(data).rename(tmp_path / "cache/train")
    (folder / "states.bin").unlink()
    manifest = folder / "manifest.json"
    assert read_json(manifest) != read_json(FORMER / "manifest.json")
    write_json(manifest, read_json(FORMER / "manifest.json"))
    assert not waveform_cache.fill(data)
    assert len(waveform_cache.open(data)) == 2


def test_segments_are_separated_once_more(data, tmp_path, caplog):
    folder = shutil.copytree(FORMER / "segments", tmp_path / "segments")
    before = segment_table(folder)
    caplog.set_level("INFO")
    segmenting.segment_and_separate(
        None,
        data=data,
        separator=SEPARATOR,
        folder=folder,
        window_seconds=0.5,
        hop_seconds=0.25,
        quietest_lufs=-200.0,
        measures=(),
        metrics=[BSSEvalScale()],
    )
    assert sorted(path.stem for path in (folder / "results").iterdir()) == [
        "a_0000",
        "b_0000",
        "c_0000",
    ]
    assert "made by a version that did not record its code: they are made again" in caplog.text
    assert_frame_equal(segment_table(folder), before, atol=1e-4)


def test_moving_a_class_changes_nothing(monkeypatch):
    before = describe(METRICS), former(describe(METRICS))
    monkeypatch.setattr(BSSEvalScale, "__module__", "audition.attic.boxes")
    assert (describe(METRICS), former(describe(METRICS))) == before
    assert without_addresses(before[1]) == before[0]


def test_a_users_class_is_its_name():
    class Mine:
        def __init__(self):
            self.size = 1

    described = describe(Mine())
    assert described["class"] == Mine.__qualname__
    assert former(described)["class"] == f"{__name__}.{Mine.__qualname__}"
