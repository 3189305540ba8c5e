"""Ways to fool a table of scores, each through main.py: the score falls, or the table says so, or it is refused."""

import re
import shutil

import pandas as pd
import pytest

from audition.files import read_json, write_json
from audition.reports.report_card import score_table
from audition.runs.results import read_results
from tests.support import road

PERMUTED = "BSSEvalScale.compute_permutation = True"


@pytest.fixture
def cheat(instantiate, tmp_path):
    """Function `(trick, *bindings, check)` → the evaluated Run of a Cheat, in an out folder of its own."""
    path = tmp_path / "cheat.gin"
    path.write_text("import tests.support.attacks\nevaluate.separator = @Cheat()\n")

    def run_of(trick=None, *bindings, tracks=None, check=True):
        played = [f"Cheat.trick = {trick!r}", f"Cheat.tracks = {tracks!r}"]
        run = instantiate(str(path), *played, *bindings)[-1]
        road.call("evaluate", run.config, check=check)
        return run

    return run_of


def compare(capsys, *runs, check=True):
    """What compare prints of these runs, the first the baseline; or the sentence that refuses."""
    capsys.readouterr()
    words = ["compare.columns = ['SI-SDR']", "compare.each_source = False"]
    code = road.call("compare", *(run.config for run in runs), *words, check=check)
    printed = capsys.readouterr()
    return printed.out if code == 0 else printed.err


def card_of(run):
    road.call("analyze", run.config)
    return run.report_card_txt.read_text()


def worst_mixtures(run, number):
    """Fingerprints of the mixtures of the tracks with the lowest mean SI-SDR."""
    means = score_table(run).groupby("track")["SI-SDR"].mean().sort_values()
    results = read_results(run.results)
    return [results[track]["metadata"]["audio"]["mix"] for track in means.index[:number]]


@pytest.mark.parametrize("trick", ["silence", "constant"])
def test_silence_on_the_worst_tracks_makes_every_score_worse(cheat, capsys, tmp_path, trick):
    metrics = "evaluate.metrics = [@BSSEvalScale(), @BSSEvalV4(), @PrecisionRecallFScore()]"
    honest = cheat(None, metrics)
    muted = cheat(trick, metrics, tracks=worst_mixtures(honest, 2))
    before, after = score_table(honest), score_table(muted)
    scores = [c for c in before if c not in ("track", "source") and not c.startswith("MIX-")]
    for column in scores:
        assert after[column].notna().all() and len(after) == len(before) == 8, column
        assert after[column].mean() < before[column].mean(), column
        assert (after[column] <= before[column]).all(), column
    card = card_of(muted)
    assert "SILENT: 4 estimates in 2 tracks" in card and "SILENT" not in card_of(honest)
    assert f"{after['SI-SDR'].mean():.2f} ± {after['SI-SDR'].std():.2f}" in card
    text = compare(capsys, honest, muted)
    assert "out/run1: SILENT: 4 estimates in 2 tracks" in text
    row = next(line for line in text.splitlines() if "out/run1" in line)
    assert f"{after['SI-SDR'].mean():.2f}" in row and "better" not in row
    assert read_json(muted.folder / "evaluation.json")["git"] is not None


@pytest.mark.parametrize("trick", ["nan", "shorten"])
def test_estimates_that_cant_be_scored_leave_the_run_out(cheat, capsys, trick):
    honest = cheat()
    broken = cheat(trick, tracks=worst_mixtures(honest, 1), check=False)
    assert len(read_results(broken.results)) == 3
    text = compare(capsys, honest, broken)
    assert "LEFT OUT: out/run1 has no result of 1 of its 4 tracks, such as " in text
    assert not re.search("^.*out/run1  ", text, re.MULTILINE)
    assert "has no run whose tracks all have a result" in compare(capsys, broken, check=False)


def test_results_that_were_deleted_leave_the_run_out(cheat, capsys):
    honest, hiding = cheat(), cheat()
    track = score_table(hiding).sort_values("SI-SDR")["track"].iloc[0]
    (hiding.results / f"{track}.json").unlink()
    assert "MISSING: 1 of 4 tracks" in card_of(hiding)
    assert f"LEFT OUT: out/run1 has no result of 1 of its 4 tracks, such as {track!r}" in compare(
        capsys, honest, hiding
    )
    about = read_json(hiding.folder / "evaluation.json")
    about["tracks"].remove(track)
    write_json(hiding.folder / "evaluation.json", about)
    assert "can't be compared: 1 of the 4 tracks of out/run0 have no result in out/run1" in compare(
        capsys, honest, hiding, check=False
    )


def test_a_result_under_another_name_is_refused_and_mended(cheat, capsys):
    run = cheat()
    track = score_table(run).sort_values("SI-SDR")["track"].iloc[-1]
    shutil.copy(run.results / f"{track}.json", run.results / "one_more.json")
    assert road.call("analyze", run.config, check=False) == 2
    sentence = f"one_more.json can't be used: it is of track {track!r}; run evaluate again"
    assert sentence in capsys.readouterr().err
    road.call("evaluate", run.config)
    assert "4 tracks, 8 scored sources" in card_of(run)


def test_a_score_that_was_edited_is_refused_and_mended(cheat, capsys):
    run = cheat()
    before = score_table(run)
    name, result = next(iter(read_results(run.results).items()))
    write_json(run.results / f"{name}.json", {**result, "s1": {**result["s1"], "SI-SDR": [40.0]}})
    assert "its scores are not those that evaluate wrote" in compare(capsys, run, check=False)
    road.call("evaluate", run.config)
    pd.testing.assert_frame_equal(score_table(run), before)


def test_the_same_audio_under_two_names_is_told(cheat, capsys, speech, tmp_path):
    root = shutil.copytree(speech, tmp_path / "wham")
    for mixture in sorted(root.glob("**/tt/mix_clean/*.wav"))[:1]:
        for folder in ("mix_clean", "s1", "s2"):
            path = mixture.parents[1] / folder / mixture.name
            shutil.copy(path, path.with_name(f"again_{mixture.name}"))
    run = cheat(None, f"WHAM_ROOT = '{root}'")
    assert "SAME AUDIO: 1 tracks count more than once" in card_of(run)
    assert "SAME AUDIO: 1 tracks" in compare(capsys, run)
    assert "can't be compared" in compare(capsys, cheat(), run, check=False)


def test_sources_by_other_names_are_refused(cheat, capsys, speech, tmp_path):
    root = shutil.copytree(speech, tmp_path / "wham")
    for tt in root.glob("**/tt"):
        (tt / "s1").rename(tt / "s")
        (tt / "s2").rename(tt / "s1")
        (tt / "s").rename(tt / "s2")
    honest, renamed = cheat(), cheat(None, f"WHAM_ROOT = '{root}'")
    assert re.search(
        r"audio of \S+ of track .* is not\s+the same", compare(capsys, honest, renamed, check=False)
    )


def test_the_best_of_many_estimates_is_told(cheat, capsys):
    run = cheat("many", PERMUTED)
    sentence = "CHOSEN BY THE TRUTH: there are more estimates than sources, and the best are scored (2 of 12"
    assert sentence in " ".join(card_of(run).split())
    assert sentence in compare(capsys, run)
    assert "CHOSEN" not in card_of(cheat(None, PERMUTED))


@pytest.mark.parametrize(
    ("trick", "piece_seconds"),
    [
        *(("look", 60.0), ("look", 0.5), ("overwrite", 60.0), ("overwrite", 0.5)),
        ("read_the_truth", 60.0),  # it finds whole files only
    ],
)
def test_who_knows_the_truth_is_marked_and_ranked_with_no_other(
    cheat, capsys, tmp_path, trick, piece_seconds
):
    pieces = f"evaluate.piece_seconds = {piece_seconds}", "evaluate.overlap_seconds = 0.1"
    honest, other, knowing = cheat(), cheat(None, *pieces), cheat(trick, *pieces)
    assert "ORACLE: its " in card_of(knowing) and "ORACLE" not in card_of(other)
    if trick == "overwrite" and piece_seconds > 1:  # a piece is a copy: no harm done
        assert "can't be compared" in compare(capsys, honest, knowing, check=False)
        return
    text = compare(capsys, honest, other, knowing)
    row = next(line for line in text.splitlines() if "out/run2 (oracle)" in line)
    assert not re.search(r"better|\+\d|\[", row), row
    assert "out/run1 (oracle)" not in text and "out/run2 (oracle): ORACLE: its " in text


def test_an_oracle_is_marked_in_all_formats_and_lists(cheat, capsys, tmp_path):
    ideal = "evaluate.separator = @nussl.separation.benchmark.IdealBinaryMask()"
    oracle, honest, other = cheat(None, ideal), cheat(), cheat()
    for run in (oracle, honest, other):
        for path in run.results.iterdir():  # as version 0.1 wrote them: the class tells
            result = read_json(path)
            del result["metadata"]["looked_at_sources"]
            write_json(path, result)
    folder = f"compare.folder = '{tmp_path}'"
    road.call("compare", oracle.config, honest.config, other.config, folder)
    for suffix in ("txt", "csv", "md", "tex"):
        text = (tmp_path / f"comparison.{suffix}").read_text()
        rows = [line for line in text.splitlines() if "out/run0" in line]
        assert any("out/run0 (oracle)" in row for row in rows) and "out/run1 (" not in text
    table = pd.read_csv(tmp_path / "comparison.csv")
    verdicts = table.groupby("run")["verdict"].agg(lambda found: set(found.dropna()))
    assert verdicts["out/run1"] == {"baseline"} and verdicts["out/run0 (oracle)"] == {"not ranked"}
    card_of(oracle)
    card_of(honest)
    for run in (oracle, honest, other):  # as `all` leaves them
        write_json(
            run.folder / "status.json", {**read_json(run.folder / "status.json"), "command": "all"}
        )
    capsys.readouterr()
    road.call("sweep_status", oracle.config)
    first, second, _ = capsys.readouterr().out.splitlines()
    assert " dB (oracle)" in first and "oracle" not in second
    road.call("listening_page", oracle.config, honest.config, "listening_page.num_tracks = 1")
    page = (tmp_path / "out" / "listening_page.html").read_text()
    assert "IdealBinaryMask (oracle)" in page and "Cheat (oracle)" not in page
