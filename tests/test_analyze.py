"""analyze: the card and the table of a run folder."""

import json

import numpy as np
import pandas as pd
import pytest

from src.commands.analyze import analyze
from src.commands.evaluate import evaluate
from src.errors import ConfigError
from src.files import write_json
from src.metrics import BSSEvalScale, BSSEvalV4, score_table
from src.runs import Run
from src.separators import nussl_recipes
from tests.voices import open_corpus, write_corpus

RATIO_MASK = nussl_recipes()["nussl.separation.benchmark.IdealRatioMask"]()
MIXTURE = nussl_recipes()["nussl.separation.benchmark.MixAsEstimate"](num_sources=2)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run3:clip_value:0.01"
    folder.mkdir()
    write_json(folder / "run.json", {"sweep_point": {"add_clip.clip_value": 0.01}})
    return Run(folder)


def write_result(run, track, scores, settings="one"):
    about = {"track": track, "settings": settings, "passport": track}
    write_json(run.results / f"{track}.json", {**scores, "metadata": about})


def test_card_of_a_real_evaluation(run, tmp_path, capsys):
    corpus = open_corpus(write_corpus(tmp_path / "data", 3))
    evaluate(run, corpus, RATIO_MASK, [BSSEvalScale(), BSSEvalV4()])
    analyze(run, notes="two voices\nof ours")
    card = run.report_card_txt.read_text()
    assert capsys.readouterr().out == card
    assert card.startswith("3 tracks, 6 scored sources")
    for text in ("OVERALL", "s1", "s2", "SI-SDRi", "SAR", "MEDIAN", "MEAN ± STD"):
        assert text in card
    for note in ("run3:clip_value:0.01", "add_clip.clip_value = 0.01", "two voices", "of ours"):
        assert note in card
    assert "IdealRatioMask" in card and "BSSEvalScale" in card
    assert max(len(line) for line in card.splitlines()) <= 100

    table = pd.read_csv(run.report_card_csv)
    assert list(table[["track", "source"]].iloc[1]) == ["track0", "s2"]
    assert len(table) == 6
    result = json.loads((run.results / "track0.json").read_text())
    assert table["SI-SDR"][1] == pytest.approx(result["s2"]["SI-SDR"][0], abs=1e-12)
    assert table["SDR"][1] == pytest.approx(np.nanmedian(result["s2"]["SDR"]), abs=1e-12)
    assert f"{table['SI-SDR'].mean():.2f} ± {table['SI-SDR'].std():.2f}" in card


def test_oracle_beats_the_mixture(tmp_path):
    corpus = open_corpus(write_corpus(tmp_path / "data", 2))
    means = []
    for number, separator in enumerate([MIXTURE, RATIO_MASK]):
        run = Run(tmp_path / f"run{number}")
        evaluate(run, corpus, separator)
        means.append(score_table(run)["SI-SDRi"].mean())
    assert means[0] == pytest.approx(0, abs=1e-9)
    assert means[1] > 5


def test_several_values_are_their_median(run):
    write_result(run, "a", {"s1": {"SDR": [1.0, 2.0, 9.0, float("nan")]}})
    write_result(run, "b", {"s1": {"SDR": [float("nan")]}})
    np.testing.assert_array_equal(score_table(run)["SDR"], [2.0, np.nan])


def test_columns_that_only_some_sources_have(run):
    write_result(run, "a", {"vocals": {"SDR": [1.0]}, "bass": {"SDR": [3.0]}})
    write_result(run, "b", {"vocals": {"SDR": [5.0]}})
    analyze(run)
    assert "2 tracks, 3 scored sources" in run.report_card_txt.read_text()


def test_missing_tracks_are_named(run):
    write_result(run, "a", {"s1": {"SDR": [1.0]}})
    about = {"separator": "x", "metrics": ["y"], "tracks": ["a", "b", "c"]}
    write_json(run.folder / "evaluation.json", about)
    analyze(run)
    assert "MISSING: 2 of 3 tracks: b, c" in run.report_card_txt.read_text()


def test_nothing_to_analyze(run):
    with pytest.raises(ConfigError, match="run evaluate first"):
        analyze(run)


def test_results_of_two_evaluations(run):
    write_result(run, "a", {"s1": {"SDR": [1.0]}}, settings="one")
    write_result(run, "b", {"s1": {"SDR": [1.0]}}, settings="two")
    with pytest.raises(ConfigError, match="run evaluate again"):
        analyze(run)
