"""analyze: the card and the table of a run folder."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image

from audition.commands.analyze import analyze
from audition.commands.evaluate import evaluate
from audition.errors import ConfigError
from audition.files import write_json
from audition.metrics import BSSEvalScale, BSSEvalV4
from audition.reports.cards import headline
from audition.reports.figures import draw_against_input, draw_box_plots, draw_means
from audition.reports.intervals import mean_interval
from audition.reports.report_card import score_table, with_unit
from audition.runs.folder import Run
from audition.separators import nussl_recipes
from tests.support.voices import open_corpus, write_corpus

RATIO_MASK = nussl_recipes()["nussl.separation.benchmark.IdealRatioMask"]()
MIXTURE = nussl_recipes()["nussl.separation.benchmark.MixAsEstimate"](num_sources=2)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run3:clip_value:0.01"
    folder.mkdir()
    write_json(folder / "run.json", {"sweep_point": {"add_clip.clip_value": 0.01}})
    return Run(folder)


def write_result(run, track, scores, settings="one"):
    about = {"track": track, "settings": settings, "passport": track, "silent_estimates": []}
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


def size_of(path):
    """`(height, width)` of a .png in which something is drawn."""
    image = imread(path)
    assert image.std() > 0.05
    return image.shape[:2]


@pytest.mark.parametrize("num_tracks", [1, 50, 150])
def test_scores_are_drawn(run, num_tracks):
    random = np.random.default_rng(0)
    name = "electric_guitar_and_all_that_is_like_it"
    for number in range(num_tracks):
        columns = ("SDR", "SI-SDR", "SI-SDRi", "MIX-SI-SDR", "SAR", "SIR")
        one = {column: [random.normal()] for column in columns}
        write_result(run, f"track{number}", {"vocals": one, name: {**one, "SIR": [float("nan")]}})
    analyze(run)
    heights, widths = zip(
        *(size_of(run.folder / f"{name}.png") for name in ("box_plots", "input_sdr")), strict=True
    )
    assert min(heights) > 400 and min(widths) > 800 and max(widths) < 3000
    for name in ("box_plots", "input_sdr"):
        assert (run.folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        with Image.open(run.folder / f"{name}.png") as picture:
            assert picture.text["Description"].startswith(f"{run.label}: ")


def test_panels_are_of_scores_and_boxes_of_sources(run):
    for track in "abc":
        scores = {"SDR": [1.0], "MIX-SI-SDR": [-1.0], "SI-SIR": [float("nan")]}
        write_result(run, track, {"s1": scores, "s2": scores | {"SDR": [float("inf")]}})
    figure = draw_box_plots(score_table(run), run.label)
    assert figure.get_suptitle() == run.label
    (panel,) = figure.axes  # nothing to draw of SI-SIR, and the mixture is nobody's score
    assert panel.get_title() == "SDR (dB)"
    assert [label.get_text() for label in panel.get_yticklabels()] == ["s1", "s2"]


def test_improvement_is_drawn_over_the_score_of_the_mixture(run):
    write_result(run, "a", {"s1": {"SI-SDRi": [5.0], "MIX-SI-SDR": [-3.0]}})
    write_result(run, "b", {"s1": {"SI-SDRi": [float("inf")], "MIX-SI-SDR": [0.0]}})
    (panel,) = draw_against_input(score_table(run)).axes
    (dots,) = panel.collections
    np.testing.assert_array_equal(dots.get_offsets(), [[-3.0, 5.0]])
    assert "mixture" in panel.get_xlabel() and panel.get_ylabel() == "SI-SDRi (dB)"


def test_bars_are_means_of_what_is_finite():
    many = pd.Series([1.0, 2.0, 3.0, 6.0, np.nan, np.inf])
    (panel,) = draw_means({"Q1": many, "Q2": many[:1], "Q3": many[4:]}, "SI-SDRi").axes
    heights = [bar.get_height() for bar in panel.patches]
    np.testing.assert_array_equal(heights, [3.0, 1.0, np.nan])
    low, high = panel.collections[0].get_segments()[0][:, 1]
    assert [low, high] == pytest.approx(mean_interval([1.0, 2.0, 3.0, 6.0])) and low < 3 < high
    names = [label.get_text() for label in panel.get_xticklabels()]
    assert names == ["Q1\n(4)", "Q2\n(1)", "Q3\n(0)"]


def test_what_cannot_be_drawn_leaves_no_old_picture(run):
    write_result(run, "a", {"s1": {"SI-SDRi": [5.0], "MIX-SI-SDR": [-3.0]}})
    analyze(run)
    assert (run.folder / "box_plots.png").exists() and (run.folder / "input_sdr.png").exists()
    write_result(run, "a", {"s1": {"SDR": [float("nan")]}})
    analyze(run)
    assert not [*run.folder.glob("*.png"), *run.folder.glob("*.pdf")]


def test_what_only_tells_how_arithmetic_rounds_is_neither_drawn_nor_listed(tmp_path):
    """The mixture as its own estimate has no artifacts: its SI-SAR is rounding."""
    run = Run(tmp_path / "run0")
    evaluate(run, open_corpus(write_corpus(tmp_path / "data", 2)), MIXTURE)
    assert score_table(run)["SI-SAR"].min() > 140
    analyze(run)
    card = run.report_card_txt.read_text()
    assert "Not shown, as they only tell how arithmetic rounds: SI-SAR" in card
    assert not any(line.startswith("SI-SAR ") for line in card.splitlines())
    titles = [panel.get_title() for panel in draw_box_plots(score_table(run)).axes]
    assert "SI-SDR (dB)" in titles and "SI-SAR (dB)" not in titles
    assert not run.input_sdr.exists()  # it improves nothing


def test_a_report_on_the_mixture_has_no_rows_of_the_mixture_against_itself(tmp_path):
    run = Run(tmp_path / "run0")
    evaluate(run, open_corpus(write_corpus(tmp_path / "data", 2)), MIXTURE)
    analyze(run)
    card = run.report_card_txt.read_text()
    rows = {line.split(" | ")[0].strip() for line in card.splitlines() if " | " in line}
    assert rows == {"", "#", "SI-SDR", "SI-SIR", "SD-SDR", "SNR", "SRR"}
    assert "Not shown, as the estimates are the mixture: SI-SDRi, SD-SDRi, SNRi, MIX-SI-SDR" in card
    titles = [panel.get_title() for panel in draw_box_plots(score_table(run)).axes]
    assert "SI-SDR (dB)" in titles and "SI-SDRi (dB)" not in titles
    assert "SI-SDRi" in run.report_card_csv.read_text()  # which has everything
    assert headline(score_table(run)).startswith("SI-SDR ")


@pytest.mark.parametrize(
    ("score", "told"),
    [
        ("SI-SDRi", "SI-SDRi (dB)"),
        ("vocals.SDR", "vocals.SDR (dB)"),
        ("PESQ", "PESQ"),
        ("F1-Score",) * 2,
    ],
)
def test_ratios_have_a_unit(score, told):
    assert with_unit(score) == told


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
