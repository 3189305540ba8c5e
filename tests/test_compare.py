"""compare: the table in four formats, the verdicts, and what it refuses to compare."""

import inspect
import re
import shutil

import numpy as np
import nussl
import pandas as pd
import pytest

from audition.commands.evaluate import evaluate
from audition.commands.train import train
from audition.files import read_json, write_json
from audition.metrics import BSSEvalScale, BSSEvalV4, PrecisionRecallFScore
from audition.reports.compared import compare_runs
from audition.reports.methods import DEFAULT_SEED, group_by_method
from audition.reports.report_card import score_table
from audition.runs.folder import Run
from audition.separators import nussl_recipes
from tests.support import road
from tests.support.scores import scores
from tests.support.voices import open_corpus, write_corpus

MIXTURE = nussl_recipes()["nussl.separation.benchmark.MixAsEstimate"](num_sources=2)


def compare(tmp_path, folders, *bindings, check=True):
    path = tmp_path / "folders.gin"
    path.write_text(f"compare.folders = {[str(folder) for folder in folders]}\n")
    return road.call("compare", path, *bindings, check=check)


def refusal(capsys, tmp_path, folders, *bindings):
    assert compare(tmp_path, folders, *bindings, check=False) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "main.py" in line]
    return line.removeprefix("main.py compare: ")


@pytest.fixture
def two_runs(instantiate):
    runs = instantiate(
        "sweep.parameters = {'evaluate.separator': "
        "[@nussl.separation.benchmark.MixAsEstimate(), @nussl.separation.primitive.HPSS()]}",
        "nussl.separation.benchmark.MixAsEstimate.num_sources = 2",
    )
    for run in runs:
        road.call("evaluate", run.config)
    return runs


def test_a_sweep_is_one_table_in_four_formats(two_runs, tmp_path, capsys):
    capsys.readouterr()
    road.call("compare", tmp_path / "out", f"compare.folder = '{tmp_path / 'tables'}'")
    printed = capsys.readouterr().out
    plain, long, markdown, latex = (
        (tmp_path / "tables" / f"comparison.{suffix}").read_text()
        for suffix in ("txt", "csv", "md", "tex")
    )
    assert printed.endswith(plain)
    (mixture,) = re.findall(r"^SI-SDRi +OVERALL .*", plain, re.MULTILINE)
    assert "out/run0" in mixture and "baseline" in mixture
    assert re.search("^out/run0: separator = .*MixAsEstimate", plain, re.MULTILINE)
    assert "0.00 ± 0.00" in mixture  # the mixture improves on itself by nothing
    for about in ("separator", "Wilcoxon", "Hodges", "for 3 comparisons", "too few tracks: "):
        assert about in plain
    assert f"{score_table(two_runs[1])['SI-SDR'].mean():.2f}" in plain
    check_long(pd.read_csv(tmp_path / "tables/comparison.csv"), two_runs)
    check_markdown(markdown)
    check_latex(latex)
    # scores, sources and OVERALL, runs; but the mixture's SI-SAR and MIX-… mean nothing
    assert long.count("\n") == 1 + 12 * 3 * 2 - 4 * 3
    table = pd.read_csv(tmp_path / "tables/comparison.csv")
    assert not table[table["run"] == "out/run0"]["metric"].str.contains("MIX-|SI-SAR").any()
    assert "SI-SAR" in set(table["metric"]) and table["mean"].max() < 100


def test_mixtures_alone_are_not_compared_with_themselves(two_runs, tmp_path, capsys):
    capsys.readouterr()
    compare(tmp_path, [two_runs[0].folder])
    printed = capsys.readouterr().out
    assert "SI-SDR " in printed and not re.search("^(SI-SDRi|MIX-|SI-SAR)", printed, re.MULTILINE)
    compare(tmp_path, [two_runs[0].folder], "compare.columns = ['SI-SDRi']")
    assert re.search(r"^SI-SDRi +OVERALL", capsys.readouterr().out, re.MULTILINE)  # as asked


def check_long(table, runs):
    """Full precision, as in the report card; one row per score, source and run."""
    assert list(table.columns[:4]) == ["metric", "source", "run", "separator"]
    rows = table.set_index(["metric", "source", "run"])
    scored = score_table(runs[1])
    row = rows.loc[("SD-SDR", "s1", "out/run1")]
    values = scored.loc[scored["source"] == "s1", "SD-SDR"]
    assert row["mean"] == pytest.approx(values.mean(), abs=1e-9)
    assert row["std"] == pytest.approx(values.std(), abs=1e-9)
    assert row["median"] == pytest.approx(values.median(), abs=1e-9)
    before = score_table(runs[0])["SI-SDR"]
    row = rows.loc[("SI-SDR", "OVERALL", "out/run1")]
    assert row["difference"] == pytest.approx((scored["SI-SDR"] - before).mean(), abs=1e-6)
    assert (row["low"], row["high"]) == (-np.inf, np.inf)  # of 4 tracks no interval holds with 95 %
    assert (row["tracks"], row["pairs"], row["verdict"]) == (4, 4, "too few tracks")
    mixtures = table[table["metric"].str.startswith("MIX-")]
    assert len(mixtures) and mixtures["verdict"].isna().all()  # nobody's achievement


def check_markdown(text):
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert table[1].startswith("| --- |") and "p: Wilcoxon" in text


def check_latex(text):
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert [line for line in lines if line.startswith("\\")] == [
        *("\\begin{tabular}{llllrrrrrrl}", "\\toprule", "\\midrule", "\\bottomrule"),
        "\\end{tabular}",
    ]
    rows = [line for line in lines if line and not line.startswith("\\")]
    assert all(row.endswith(r"\\") and row.count("&") == 10 for row in rows)
    assert not re.search(r"(?<!\\)[%_#]", "\n".join(rows))
    assert all(row.count("$") % 2 == 0 for row in rows)
    assert text.isascii()


def test_runs_are_given_by_their_config_and_one_is_chosen(two_runs, capsys):
    capsys.readouterr()
    first, second = two_runs
    for name in ("out/run1", second.label, second.folder):
        road.call(
            *("compare", second.config, first.config, f"compare.baseline = '{name}'"),
            "compare.columns = ['SI-SDR']",
            "compare.each_source = False",
        )
        head, _, hpss, mixture, *_ = capsys.readouterr().out.splitlines()
        assert "verdict" in head
        assert "out/run1" in hpss and "baseline" in hpss
        assert "out/run0" in mixture and "too few tracks" in mixture


def test_one_run_and_one_without_results(two_runs, tmp_path, capsys, caplog):
    for path in two_runs[1].results.iterdir():
        path.unlink()
    capsys.readouterr()
    folders = f"compare.folders = '{tmp_path / 'out'}'"  # one of them needs no list
    compare(tmp_path, [two_runs[0].folder], folders, "compare.columns = ['SI-SDR']")
    printed = capsys.readouterr().out
    assert "verdict" not in printed and len(printed.splitlines()) == 1 + 2 + 3
    assert "run1" in caplog.text and "has no results, so it is left out" in caplog.text


def test_a_folder_without_scores_is_named(tmp_path, capsys):
    line = refusal(capsys, tmp_path, [tmp_path])
    assert "holds no run with results; run evaluate first" in line


def test_nothing_to_compare_is_said(instantiate, capsys):
    (run,) = instantiate()
    assert road.call("compare", run.config, check=False) == 2
    assert "compare needs runs with results" in capsys.readouterr().err


def test_mistakes_in_bindings_are_told(two_runs, tmp_path, capsys):
    line = refusal(capsys, tmp_path, [tmp_path / "out"], "compare.baseline = 'run7'")
    assert line == "compare.baseline = 'run7' is none of the runs; it is one of out/run0, out/run1."
    assert "compare.baseline = '1' is" in refusal(
        capsys, tmp_path, [tmp_path / "out"], "compare.baseline = 1"
    )
    line = refusal(capsys, tmp_path, [tmp_path / "out"], "compare.columns = ['SDR']")
    assert line.startswith("compare.columns names SDR, which no run has; they have SI-SDR, ")
    line = refusal(capsys, tmp_path, [tmp_path / "out"], "compare.columns = 'SDR'")
    assert line.startswith("compare.columns names SDR, which no run has; ")


# runs whose scores are made up ------------------------------------------------------------------


def write_run(folder, table, **changes):
    """A run folder with these scores, as evaluate writes it."""
    run = Run(folder)
    about = {"passport": "p", "settings": "s", "silent_estimates": []}
    for track, rows in table.groupby("track"):
        audio = {"mix": track, "sources": {source: source for source in rows["source"]}}
        result = {
            row["source"]: {"SI-SDR": [row["SI-SDR"]], "MIX-SI-SDR": [0.0]}
            for _, row in rows.iterrows()
        }
        result["metadata"] = {**about, "track": track, "audio": audio}
        write_json(run.results / f"{track}.json", result)
    metrics = [{"class": "M", "settings": {}, "lower_is_better": []}]
    settings = {"metrics": metrics, "packages": {"numpy": "2.4.6"}, **changes}
    write_json(folder / "evaluation.json", {**settings, "tracks": sorted(set(table["track"]))})
    return folder


def verdicts(capsys):
    """run → set of its verdicts, of what compare has printed."""
    lines = re.findall(r"\S+/(run\d) .* {2}(\S.*)$", capsys.readouterr().out, re.MULTILINE)
    return {run: {verdict for name, verdict in lines if name == run} for run, _ in lines}


def test_of_another_seed_nothing_is_shown_and_a_better_method_is(tmp_path, capsys):
    folders = [
        write_run(tmp_path / "dpcl/run0", scores(50, seed=0)),
        write_run(tmp_path / "dpcl/run1", scores(50, seed=1)),
        write_run(tmp_path / "dpcl/run2", scores(50, seed=2, shift=1.0)),
        write_run(tmp_path / "dpcl/run3", scores(50, seed=3, shift=-1.0)),
    ]
    compare(tmp_path, folders, "compare.columns = ['SI-SDR']")
    assert verdicts(capsys) == {
        "run0": {"baseline"},
        "run1": {"not shown"},
        "run2": {"better"},
        "run3": {"worse"},
    }


CONFIG = "# {about}\n\ntrain.lr = {lr}\n# This point:\ntrain.seed = {seed}\n"


def write_trained(folder, table, seed, lr=0.1, config=CONFIG, network=None):
    network = folder.name if network is None else network
    write_run(folder, table, separator={"class": "C", "settings": {"model_sha256": network}})
    point = {"train.lr": lr, "train.seed": seed}
    write_json(folder / "run.json", {"sweep_point": point})
    (folder / "config.gin").write_text(config.format(seed=seed, lr=lr, about=folder.name))
    return folder


def seeds_of_two_methods(folder):
    return [
        write_trained(
            folder / f"out/run{2 * seed + number}",
            scores(20, seed=10 * seed + number, shift=2 * number),
            seed,
            lr,
        )
        for seed in range(3)
        for number, lr in enumerate((0.1, 0.2))
    ]


def test_runs_that_differ_in_their_seed_alone_are_one_method(tmp_path, capsys):
    folders = seeds_of_two_methods(tmp_path)
    columns = "compare.columns = 'SI-SDR'"
    compare(tmp_path, folders, columns, f"compare.folder = '{tmp_path}'")
    printed = capsys.readouterr().out
    assert re.search(r"out/run1 \(3 seeds\) +0.2 +20 +3 ± 0.\d\d .*better", printed)
    assert "seeds ± std: networks that differ in train.seed alone" in printed
    assert "One seed" not in printed
    table = pd.read_csv(tmp_path / "comparison.csv")
    assert "lr" in table and "seed" not in table and len(table) == 2 * 3
    found = table[(table["source"] == "OVERALL")].iloc[0]
    means = [score_table(Run(folder))["SI-SDR"].mean() for folder in folders[::2]]
    assert found["seeds"] == 3 and found["tracks"] == 20
    assert found["mean"] == pytest.approx(np.mean(means))
    assert found["seed_std"] == pytest.approx(np.std(means, ddof=1))
    compare(tmp_path, folders, columns, "compare.baseline = 'out/run3'")
    assert re.search(r"out/run1 \(3 seeds\) .*baseline", capsys.readouterr().out)


def test_seeds_may_stay_apart(tmp_path, capsys):
    compare(tmp_path, seeds_of_two_methods(tmp_path), "compare.group_seeds = False")
    printed = capsys.readouterr().out
    assert "One seed: out/run0, out/run1, out/run2, out/run3, out/run4, out/run5: " in printed
    assert "seeds)" not in printed


def test_a_method_of_one_seed_is_marked(tmp_path, capsys):
    folders = [*seeds_of_two_methods(tmp_path)[:3], write_run(tmp_path / "mixture", scores(20))]
    compare(tmp_path, folders, "compare.each_source = False", "compare.columns = 'SI-SDR'")
    printed = capsys.readouterr().out
    assert "One seed: out/run1: the verdict is about these networks on these tracks" in printed
    assert re.search(r"out/run0 \(2 seeds\) .* 2 ± 0", printed)
    assert re.search(r"/mixture +20  +-?\d+\.\d\d ± ", printed)  # nothing is trained: no seeds


@pytest.mark.parametrize(
    ("seeds", "changes"),
    [
        ((0, 0), {}),
        ((0, 1), {"config": CONFIG + "train.batch_size = {seed}\n"}),
        ((0, 1), {"network": "downloaded"}),
    ],
    ids=["the same seed", "another setting", "the same network"],
)
def test_other_runs_are_methods_of_their_own(tmp_path, capsys, seeds, changes):
    folders = [
        write_trained(tmp_path / f"out/run{n}", scores(20, seed=n), seed, **changes)
        for n, seed in enumerate(seeds)
    ]
    compare(tmp_path, folders)
    assert "seeds)" not in capsys.readouterr().out


def test_rounds_of_a_bootstrap_are_no_seeds_of_each_other(tmp_path):
    rounds = [write_trained(tmp_path / f"run0/round{n}", scores(20), n) for n in range(2)]
    others = [
        write_trained(tmp_path / f"run1/round{n}", scores(20), 5 + n, network=f"other{n}")
        for n in range(2)
    ]
    runs = {str(path): Run(path) for path in [*rounds, *others]}
    assert [list(one.runs) for one in group_by_method(runs).values()] == [
        [str(rounds[n]), str(others[n])] for n in range(2)
    ]


def test_a_seed_that_is_not_bound_is_that_of_train(tmp_path):
    bound = write_trained(tmp_path / "out/run0", scores(20), 1)
    unbound = write_trained(
        tmp_path / "out/run1", scores(20, seed=1), 0, config="train.lr = {lr}\n"
    )
    third = write_trained(tmp_path / "out/run2", scores(20, seed=1), 0)
    assert list(compare_runs(third).runs) == ["out/run2"]  # a single folder needs no list
    found = compare_runs([str(bound), str(unbound), str(third)])
    assert set(found.table["run"]) == {"out/run0 (2 seeds)", "out/run2"}
    assert set(found.scores["run"]) == set(found.runs)
    assert DEFAULT_SEED == str(inspect.signature(train).parameters["seed"].default)


def test_a_sweep_of_seeds_is_one_method(instantiate):
    """As instantiate writes configs: in one sweep, and one by one."""
    instantiate("sweep.parameters = {'train.seed': [0, 1]}")
    runs = {run.label: run for run in instantiate("train.seed = 2")}
    for run in runs.values():
        write_run(run.folder, scores(), separator={"model_sha256": run.name})
    (method,) = group_by_method(runs).values()
    assert list(method.runs) == list(runs) and len(runs) == 3
    other = instantiate("train.seed = 3", "train.num_epochs = 7")[-1]
    write_run(other.folder, scores(), separator={"model_sha256": "other"})
    assert len(group_by_method({**runs, "other": other})) == 2


def test_tracks_of_one_group_count_once(tmp_path, capsys):
    folders = [write_run(tmp_path / f"out/run{n}", scores(20, seed=n, shift=n)) for n in range(2)]
    for path in (
        folders[0] / "results"
    ).iterdir():  # the other was evaluated before there were groups
        result = read_json(path)
        result["metadata"]["group"] = "anna" if path.stem < "track04" else "bert"
        write_json(path, result)
    compare(tmp_path, folders)
    printed = capsys.readouterr().out
    assert "Groups: 2 groups of tracks" in printed and "too few tracks" in printed


def test_equivalence_is_asked_for_in_db(tmp_path, capsys):
    folders = [write_run(tmp_path / f"out/run{n}", scores(60, seed=n)) for n in range(2)]
    compare(tmp_path, folders, "compare.margin = 1.5")
    printed = capsys.readouterr().out
    assert "equivalent: the interval lies within ±1.5 dB" in printed
    assert len(re.findall(" equivalent$", printed, re.MULTILINE)) == 3
    expected = "compare.margin = -1 is not a positive number of dB; bind it to one, or to None."
    assert refusal(capsys, tmp_path, folders, "compare.margin = -1") == expected


def test_names_are_escaped_where_a_format_needs_it(tmp_path):
    run = write_run(tmp_path / "a_b|50%/run0", scores(8))
    write_json(run / "run.json", {"sweep_point": {"add_x.lr_ratio": 1e-3, "train.source": 1}})
    compare(tmp_path, [run], f"compare.folder = '{tmp_path}'")
    latex = (tmp_path / "comparison.tex").read_text()
    assert r"a\_b|50\%/run0" in latex and r"lr\_ratio & train.source & tracks" in latex
    assert r"a_b\|50%/run0" in (tmp_path / "comparison.md").read_text()
    (row, *_) = pd.read_csv(tmp_path / "comparison.csv").itertuples()
    assert (row.run, row.lr_ratio) == ("a_b|50%/run0", 1e-3)


def test_a_metric_says_that_lower_is_better(tmp_path, capsys):
    metrics = [{"class": "M", "settings": {}, "lower_is_better": ["SI-SDR"]}]
    folders = [
        write_run(tmp_path / f"out/run{n}", scores(seed=n, shift=2 * n), metrics=metrics)
        for n in range(2)
    ]
    compare(tmp_path, folders)
    printed = capsys.readouterr()
    assert "Lower is better: SI-SDR." in printed.out and " worse" in printed.out


def test_what_was_left_out_is_told(tmp_path, capsys):
    table = scores(seed=2)
    table.loc[[3, 8], "SI-SDR"] = np.nan, -np.inf
    folders = [
        write_run(tmp_path / "out/run0", scores(seed=1)),
        write_run(tmp_path / "out/run1", table, packages={"numpy": "2.4.5"}),
    ]
    compare(tmp_path, folders)
    printed = capsys.readouterr().out
    assert "SI-SDR of out/run1: 1 pairs of scores left out" in printed
    assert "1 tracks with an infinite difference" in printed
    assert "WARNING: out/run0 and out/run1 were scored by numpy 2.4.6 and 2.4.5." in printed


def test_runs_of_one_name_are_called_by_their_folders(tmp_path, capsys):
    folders = [write_run(tmp_path / f"{where}/out/run0", scores(8)) for where in ("toy", "wham")]
    compare(tmp_path, folders)
    printed = capsys.readouterr().out
    assert all(str(folder) in printed for folder in folders)


def test_runs_scored_on_other_tracks_are_refused(tmp_path, capsys):
    folders = [
        write_run(tmp_path / "out/run0", scores(8)),
        write_run(tmp_path / "out/run1", scores(7)),
    ]
    expected = (
        "out/run0 and out/run1 can't be compared: 1 of the 8 tracks of out/run0 have no result in "
        "out/run1, such as 'track07'; evaluate both on the same test set."
    )
    assert refusal(capsys, tmp_path, folders) == expected


def test_runs_of_other_sources_are_refused(tmp_path, capsys):
    folders = [
        write_run(tmp_path / "out/run0", scores(8)),
        write_run(tmp_path / "out/run1", scores(8, sources=["s1"])),
    ]
    line = refusal(capsys, tmp_path, folders)
    assert "track 'track00' has the sources s1, s2 in one and s1 in the other" in line


def test_scores_of_an_older_version_are_refused(tmp_path, capsys):
    folder = write_run(tmp_path / "out/run0", scores(8))
    path = folder / "results/track03.json"
    result = read_json(path)
    del result["metadata"]["audio"]
    write_json(path, result)
    assert "evaluate again" in refusal(capsys, tmp_path, [folder])


# runs that evaluate has scored ------------------------------------------------------------------


def evaluated(folder, corpus, metrics=(BSSEvalScale(),), hop_length=64):
    """A run folder with the scores of the mixture itself."""
    folder.mkdir(parents=True)
    data = open_corpus(corpus)
    data.dataset.stft_params = nussl.STFTParams(256, hop_length, "sqrt_hann")
    evaluate(Run(folder), data, MIXTURE, metrics)
    return folder


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "data", 3)


def test_another_copy_of_the_test_set_is_the_same(tmp_path, corpus):
    first = evaluated(tmp_path / "out/run0", corpus)
    copy = shutil.copytree(corpus, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    assert compare(tmp_path, [first, evaluated(tmp_path / "out/run1", copy)]) == 0


@pytest.mark.parametrize(
    ("copies", "signal"),
    [
        ({"mix/track2": "mix/track1", "s1/track2": "s1/track1", "s2/track2": "s2/track1"}, "mix"),
        ({"s2/track2": "s1/track2"}, "s2"),
    ],
    ids=["another recording", "another truth for the same mixture"],
)
def test_a_track_that_is_swapped_under_its_name_is_refused(
    tmp_path, corpus, copies, signal, capsys
):
    first = evaluated(tmp_path / "out/run0", corpus)
    for name, other in copies.items():
        shutil.copy(corpus / f"{other}.wav", corpus / f"{name}.wav")
    second = evaluated(tmp_path / "out/run1", corpus)
    assert refusal(capsys, tmp_path, [first, second]) == (
        f"out/run0 and out/run1 can't be compared: the audio of {signal} of track 'track2' is not "
        "the same; evaluate both on the same test set."
    )


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        (
            [BSSEvalScale()],
            [BSSEvalScale(compute_permutation=True)],
            "BSSEvalScale.compute_permutation is False in one and True in the other; set it alike.",
        ),
        (
            [BSSEvalScale()],
            [BSSEvalScale(), BSSEvalV4()],
            "one is scored by BSSEvalScale, the other by BSSEvalScale, BSSEvalV4; use the same "
            "evaluate.metrics.",
        ),
    ],
)
def test_runs_scored_in_other_ways_are_refused(tmp_path, corpus, one, other, sentence, capsys):
    folders = [
        evaluated(tmp_path / f"out/run{number}", corpus, metrics)
        for number, metrics in enumerate([one, other])
    ]
    assert refusal(capsys, tmp_path, folders).endswith(f"can't be compared: {sentence}")


@pytest.mark.parametrize("metric", [BSSEvalScale(), PrecisionRecallFScore()])
def test_other_stft_settings_matter_to_scores_of_masks_alone(tmp_path, corpus, metric, capsys):
    folders = [
        evaluated(tmp_path / f"out/run{hop_length}", corpus, [metric], hop_length)
        for hop_length in (64, 128)
    ]
    if metric.uses_stft:
        assert "PrecisionRecallFScore.stft is [256, 64, " in refusal(capsys, tmp_path, folders)
    else:
        assert compare(tmp_path, folders) == 0


@pytest.mark.parametrize("given", ["-c", "out", "run"])
def test_the_rounds_of_a_bootstrap_are_runs_by_number(tmp_path, capsys, given):
    run = tmp_path / "out/run0"
    for number in (10, 0, 2):
        point = {"train.num_epochs": number, "TEACHER": "a" * 100}
        folder = write_run(run / f"round{number}", scores(seed=number))
        write_json(folder / "run.json", {"sweep_point": point if number else {}})
    (run / "config.gin").write_text("")
    write_json(run / "run.json", {"sweep_point": {}})
    if given == "-c":
        road.call("compare", tmp_path / "out")
    else:
        compare(tmp_path, [tmp_path / "out" if given == "out" else run])
    table, _, notes = capsys.readouterr().out.partition("\n\n")
    rows = [line for line in table.splitlines() if "OVERALL" in line or "run0/" in line]
    found = re.findall(r"run0/(round\d+)", "\n".join(rows))
    assert found[:3] == ["round0", "round2", "round10"]
    assert max(map(len, table.splitlines())) <= 140 and "num_epochs" not in table
    assert f"run0/round2: num_epochs = 2, TEACHER = {'a' * 100}\n" in notes
    assert "round0: " not in notes


def test_scores_of_the_mixture_alone_are_not_compared(tmp_path, capsys):
    folders = [write_run(tmp_path / name, scores()) for name in ("a", "b")]
    compare(tmp_path, folders, "compare.columns = 'MIX-SI-SDR'")
    printed = capsys.readouterr().out
    assert "MIX-SI-SDR" in printed
    assert not re.search("difference|comparisons|verdict", printed)


@pytest.mark.parametrize("word", ["mixture", "deep_clustering", "ideal_binary_mask"])
def test_the_toy_comparison_names_the_toy_experiments(word):
    assert f"toy/exp/out/{word}" in (road.ROOT / "toy/exp/compare.gin").read_text()
    assert (road.ROOT / f"toy/exp/{word}.gin").exists()
