"""Compares runs: finds them, checks that they are comparable, and tabulates their scores."""

from collections.abc import Collection, Hashable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from audition.errors import ConfigError
from audition.metrics.bss_eval import OF_THE_MIXTURE
from audition.reports import comparison_table
from audition.reports.caveats import MARK, read_caveats
from audition.reports.comparison import paired_differences
from audition.reports.comparison_notes import notes_on
from audition.reports.evaluations import Evaluation, check_comparable, read_evaluation
from audition.reports.methods import Method, group_by_method, mean_over_seeds, point_of
from audition.reports.report_card import mixture_scores, rounding_scores, score_table
from audition.runs.folder import (
    Run,
    has_results,
    run_number,
    runs_in,
    sweep_point,
    with_results,
)


class Comparison(NamedTuple):
    """Runs whose scores can be compared.

    Attributes:
        runs: by label.
        scores: as of `joined_scores`, of each run.
        table: as of `long_table`; runs that differ only in their seed are one method.
        notes: what the table's numbers mean, and what to beware of.
    """

    runs: dict[str, Run]
    scores: pd.DataFrame
    table: pd.DataFrame
    notes: list[str]


def compare_runs(
    folders: str | Path | Sequence[str | Path] | None = None,
    baseline: str | Path | None = None,
    columns: str | Sequence[str] | None = None,
    each_source: bool = True,
    group_seeds: bool = True,
    margin: float | None = None,
    runs: Sequence[Run] = (),
) -> Comparison:
    """The Comparison that `compare` prints, with the same arguments."""
    check_margin(margin)
    runs = labelled(scored_runs(folders, runs))
    evaluations = {label: read_evaluation(one, label) for label, one in runs.items()}
    runs, notes = without_incomplete(runs, evaluations)
    caveats = {label: read_caveats(one) for label, one in runs.items()}
    oracles = {f"{label}{MARK}": label for label, caveat in caveats.items() if caveat.oracle}
    names = {label: label for label in runs} | {label: name for name, label in oracles.items()}
    runs, evaluations, caveats = (
        {names[label]: one[label] for label in runs} for one in (runs, evaluations, caveats)
    )
    methods = group_by_method(runs, group_seeds)
    chosen = choose_baseline(methods, baseline, oracles)
    first = next(iter(methods[chosen].runs))
    for evaluation in evaluations.values():
        check_comparable(evaluations[first], evaluation)
    scores = {label: score_table(one) for label, one in runs.items()}
    told = scores if columns else meaningful(scores)
    columns = check_columns(told, columns)
    seeds = {label: [told[run] for run in method.runs] for label, method in methods.items()}
    tables = {label: mean_over_seeds(found) for label, found in seeds.items()}
    seeds = {label: found for label, found in seeds.items() if methods[label].trained}
    groups = groups_of(evaluations.values())
    looks = {name: any(run in oracles for run in method.runs) for name, method in methods.items()}
    differences = paired_differences(
        {name: table for name, table in tables.items() if looks[name] == looks[chosen]},
        chosen,
        columns,
        each_source,
        evaluations[first].lower_is_better,
        seeds,
        groups,
        margin,
    )
    points = {label: point_of(method) for label, method in methods.items()}
    table = comparison_table.long_table(
        tables, points, differences, chosen, columns, each_source, seeds
    )
    if len(differences):
        unranked = table["run"].map(looks) != looks[chosen]
        unranked &= table["metric"].isin(differences["metric"])
        table["verdict"] = table["verdict"].mask(unranked, "not ranked")
    notes += notes_on(differences, chosen, methods, evaluations, caveats, groups, margin)
    points = {label: sweep_point(one) for label, one in runs.items()}
    return Comparison(runs, comparison_table.joined_scores(scores, points), table, notes)


def check_margin(margin: float | None) -> None:
    if margin is not None and not (isinstance(margin, (int, float)) and margin > 0):
        raise ConfigError(
            f"compare.margin = {margin!r} is not a positive number of dB; bind it to one, or to None."
        )


def groups_of(evaluations: Collection[Evaluation]) -> dict[str, Hashable] | None:
    """dict, track → its group, where a track without one is its own; None if no track has one."""
    found = {track: group for one in evaluations for track, group in one.groups.items()}
    tracks = dict.fromkeys(track for one in evaluations for track in one.audio)
    return {track: found.get(track, ("track", track)) for track in tracks} if found else None


def without_incomplete(
    runs: dict[str, Run], evaluations: dict[str, Evaluation]
) -> tuple[dict[str, Run], list[str]]:
    """The runs with a result for every track of their test set, and a sentence about each of the
    others: their mean, perhaps over the easier tracks, can't be compared."""
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


def scored_runs(
    folders: str | Path | Sequence[str | Path] | None, runs: Sequence[Run]
) -> list[Run]:
    """The Runs that have results, each once.

    Args:
        folders, runs: see `compare`.
    """
    if folders is None:
        found = [run.folder for run in runs]
        given = "the files after -c are"
    else:
        folders = [folders] if isinstance(folders, str | Path) else folders
        found = [path for folder in map(Path, folders) for path in some_in(folder)]
        given = f"compare.folders = {folders!r} is"
    scored = with_results(run for path in found for run in runs_in(path))
    if not scored:
        raise ConfigError(
            f"compare needs runs with results, and {given} of none; give run folders after -c or "
            "in compare.folders, and evaluate them first."
        )
    return scored


def some_in(folder: Path) -> list[Path]:
    """`runs_in`, or a ConfigError if the folder has no results."""
    found = runs_in(folder)
    if found == [folder] and not has_results(folder):
        raise ConfigError(
            f"compare.folders names {str(folder)!r}, which holds no run with results; "
            "run evaluate first."
        )
    return found


def labelled(runs: list[Run]) -> dict[str, Run]:
    """dict, `<experiment>/run<N>` → Run, or its folder if two would have the same label."""
    short = [f"{one.folder.resolve().parent.name}/{short_name(one)}" for one in runs]
    return {
        label if short.count(label) == 1 else str(one.folder): one
        for label, one in zip(short, runs, strict=True)
    }


def short_name(run: Run) -> str:
    number = run_number(run.name)
    return run.name if number < 0 else f"run{number}"


def choose_baseline(
    methods: dict[str, Method], baseline: str | Path | None, oracles: dict[str, str]
) -> str:
    """Label of the method that `baseline` names, or has as one of its runs; for None, the first
    method that isn't an oracle, if there is one."""
    if baseline is None:
        return min(methods, key=lambda name: any(run in oracles for run in methods[name].runs))
    baseline = str(baseline)
    for name, method in methods.items():
        for label, one in method.runs.items():
            known = name, label, oracles.get(label), one.label
            if baseline in known or Path(baseline).resolve() == one.folder.resolve():
                return name
    raise ConfigError(
        f"compare.baseline = {baseline!r} is none of the runs; it is one of {', '.join(methods)}."
    )


def meaningful(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables without scores that mean nothing; beside other runs, the mixture keeps its
    improvements of 0, against which theirs are seen."""
    alone = all(mixture_scores(table) for table in tables.values())
    return {
        label: table.drop(
            columns=[
                *rounding_scores(table),
                *(c for c in mixture_scores(table) if alone or c.startswith(OF_THE_MIXTURE)),
            ]
        )
        for label, table in tables.items()
    }


def check_columns(
    tables: dict[str, pd.DataFrame], columns: str | Sequence[str] | None
) -> Sequence[str]:
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
