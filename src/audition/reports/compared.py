"""Runs side by side: which they are, whether they may be compared, and the table of their scores."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from audition.errors import ConfigError
from audition.reports import comparison_table
from audition.reports.caveats import MARK, read_caveats
from audition.reports.comparison import LEVEL, paired_differences
from audition.reports.evaluations import (
    check_comparable,
    other_code,
    other_versions,
    read_evaluation,
)
from audition.reports.report_card import OVERALL, score_table
from audition.runs.folder import (
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


def compare_runs(folders=None, baseline=None, columns=None, each_source=True, runs=()):
    """The Comparison that `compare` prints, with the same arguments."""
    runs = labelled(scored_runs(folders, runs))
    evaluations = {label: read_evaluation(one, label) for label, one in runs.items()}
    runs, notes = without_incomplete(runs, evaluations)
    caveats = {label: read_caveats(one) for label, one in runs.items()}
    chosen = choose_baseline(runs, baseline, caveats)
    for label in runs:
        check_comparable(evaluations[chosen], evaluations[label])
    shown = {label: f"{label}{MARK if caveats[label].oracle else ''}" for label in runs}
    tables = {shown[label]: score_table(one) for label, one in runs.items()}
    columns = check_columns(tables, columns)
    lower = evaluations[chosen].lower_is_better
    rivals = [shown[one] for one in runs if caveats[one].oracle == caveats[chosen].oracle]
    differences = paired_differences(
        {one: tables[one] for one in rivals}, shown[chosen], columns, each_source, lower
    )
    points = {shown[label]: sweep_point(one) for label, one in runs.items()}
    table = comparison_table.long_table(
        tables, points, differences, shown[chosen], columns, each_source
    )
    if len(differences):
        unranked = table["run"].isin(set(tables) - set(rivals))
        unranked &= table["metric"].isin(differences["metric"])
        table["verdict"] = table["verdict"].mask(unranked, "not ranked")
    notes += list(explain(differences, shown[chosen], lower)) if len(differences) else []
    notes += [f"{label}: {line}" for label in runs for line in caveats[label].lines]
    notes += [
        *left_out(differences),
        *warnings({label: evaluations[label] for label in runs}, chosen),
    ]
    runs = {shown[label]: one for label, one in runs.items()}
    return Comparison(runs, comparison_table.joined_scores(tables, points), table, notes)


def without_incomplete(runs, evaluations):
    """The runs that have a result of every track that they were asked for, and a sentence on each of
    the others: a mean over fewer tracks, perhaps the easier ones, is not to be put beside theirs."""
    notes = [
        f"LEFT OUT: {label} has no result of {len(missing)} of its {len(evaluations[label].asked)} "
        f"tracks, such as {missing[0]!r}; they failed, or the evaluation was stopped: evaluate again."
        for label in runs
        if (missing := evaluations[label].missing)
    ]
    complete = {label: one for label, one in runs.items() if not evaluations[label].missing}
    if not complete:
        raise ConfigError(f"compare has no run whose tracks all have a result. {notes[0]}")
    return complete, notes


def scored_runs(folders, runs):
    """The Runs that have results, each once.

    Args:
        folders, runs: see `compare`.
    """
    if folders is None:
        found = [run.folder for run in runs]
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


def choose_baseline(runs, baseline, caveats):
    """Label of the run that `baseline` means; of None, the first that is no oracle, if there is one."""
    if baseline is None:
        return min(runs, key=lambda label: caveats[label].oracle)
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
        if others := other_versions(evaluations[baseline], one):
            yield f"WARNING: {baseline} and {label} were scored by {', '.join(others)}."
        for what in other_code(evaluations[baseline], one):
            yield f"WARNING: {what}."
    changed = [label for label, one in evaluations.items() if one.is_uncommitted]
    if changed and len(evaluations) > 1:
        yield f"WARNING: {', '.join(changed)}: the code had changes that are in no commit."
