"""Runs side by side: which they are, whether they may be compared, and the table of their scores."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from audition import configs
from audition.errors import ConfigError
from audition.reports import comparison_table
from audition.reports.comparison import LEVEL, paired_differences
from audition.reports.evaluations import check_comparable, other_versions, read_evaluation
from audition.reports.report_card import OVERALL, score_table
from audition.runs.folder import (
    find_run,
    has_results,
    run_number,
    runs_in,
    sweep_point,
    with_results,
)


class Comparison(NamedTuple):
    """Runs whose scores may be put side by side.

    Attributes:
        runs: dict, label → Run.
        scores: DataFrame as of `joined_scores`.
        table: DataFrame as of `long_table`.
        notes: list of str: what the numbers of the table are, and what to beware of.
    """

    runs: dict
    scores: pd.DataFrame
    table: pd.DataFrame
    notes: list


def compare_runs(folders=None, baseline=None, columns=None, each_source=True):
    """The Comparison that `compare` prints, with the same arguments."""
    runs = labelled(scored_runs(folders))
    evaluations = {label: read_evaluation(one, label) for label, one in runs.items()}
    chosen = choose_baseline(runs, baseline)
    for evaluation in evaluations.values():
        check_comparable(evaluations[chosen], evaluation)
    tables = {label: score_table(one) for label, one in runs.items()}
    columns = check_columns(tables, columns)
    lower = evaluations[chosen].lower_is_better
    differences = paired_differences(tables, chosen, columns, each_source, lower)
    points = {label: sweep_point(one) for label, one in runs.items()}
    table = comparison_table.long_table(tables, points, differences, chosen, columns, each_source)
    notes = list(explain(differences, chosen, lower)) if len(differences) else []
    notes += [*left_out(differences), *warnings(evaluations, chosen)]
    return Comparison(runs, comparison_table.joined_scores(tables, points), table, notes)


def scored_runs(folders):
    """The Runs that have results, each once.

    Args:
        folders: see `compare`.
    """
    if folders is None:
        found = [Path(path).parent for path in configs.loaded.paths if find_run([path])]
        given = "the files after -c are"
    else:
        folders = [folders] if isinstance(folders, str) else folders
        found = [path for folder in map(Path, folders) for path in some_in(folder)]
        given = f"compare.folders = {folders!r} is"
    scored = with_results(run for path in found for run in runs_in(path))
    if not scored:
        raise ConfigError(
            f"compare needs runs with results, and {given} of none; give run folders after -c or "
            "in compare.folders, and evaluate them first."
        )
    return scored


def some_in(folder):
    """`runs_in`, or an error where that is a folder without results."""
    found = runs_in(folder)
    if found == [folder] and not has_results(folder):
        raise ConfigError(
            f"compare.folders names {str(folder)!r}, which holds no run with results; "
            "run evaluate first."
        )
    return found


def labelled(runs):
    """dict, `<experiment>/run<N>` → Run; its folder where two would be called the same."""
    short = [f"{one.folder.resolve().parent.name}/{short_name(one)}" for one in runs]
    return {
        label if short.count(label) == 1 else str(one.folder): one
        for label, one in zip(short, runs, strict=True)
    }


def short_name(run):
    number = run_number(run.name)
    return run.name if number < 0 else f"run{number}"


def choose_baseline(runs, baseline):
    """Label of the run that `baseline` means."""
    if baseline is None:
        return next(iter(runs))
    baseline = str(baseline)
    for label, one in runs.items():
        if baseline in (label, one.label) or Path(baseline).resolve() == one.folder.resolve():
            return label
    raise ConfigError(
        f"compare.baseline = {baseline!r} is none of the runs; it is one of {', '.join(runs)}."
    )


def check_columns(tables, columns):
    """`columns` that any run has; a name that none has is an error, as a column of a table that
    nobody asked for would be."""
    columns = [columns] if isinstance(columns, str) else columns
    present = comparison_table.score_columns(tables)
    if unknown := [column for column in columns or () if column not in present]:
        raise ConfigError(
            f"compare.columns names {', '.join(unknown)}, which no run has; they have "
            f"{', '.join(present)}."
        )
    return columns or present


def explain(differences, baseline, lower_is_better):
    """Lines that say what the table's numbers are."""
    count = differences["comparisons"].max()
    yield (
        f"difference: to {baseline}, mean over tracks of the mean over a track's sources, with its "
        "95 % bootstrap interval."
    )
    yield (
        f"p: Wilcoxon signed-rank test over tracks, corrected (Holm) over the {count} comparisons of "
        f"one metric; the verdict is at {100 * LEVEL:.0f} %, for these networks on these tracks."
    )
    if lower_is_better:
        yield f"Lower is better: {', '.join(lower_is_better)}."
    if (differences["verdict"] == "mixed").any():
        yield "mixed: better on most tracks and worse in the mean, or the other way round."
    if (differences["verdict"] == "too few tracks").any():
        yield (
            f"too few tracks: too few differ for any p, corrected over {count} comparisons, to reach "
            "5 %."
        )


def left_out(differences):
    overall = differences[differences["source"] == OVERALL]
    for row in overall[(overall["left_out"] > 0) | (overall["infinite"] > 0)].itertuples():
        yield (
            f"{row.metric} of {row.run}: {row.left_out} pairs of scores left out, as one isn't "
            f"defined; {row.infinite} tracks whose difference is infinite count in p only."
        )


def warnings(evaluations, baseline):
    for label, one in evaluations.items():
        if missing := sorted(set(one.asked) - set(one.audio)):
            yield f"MISSING in {label}: {len(missing)} of {len(one.asked)} tracks."
        if others := other_versions(evaluations[baseline], one):
            yield f"WARNING: {baseline} and {label} were scored by {', '.join(others)}."
