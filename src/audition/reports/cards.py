"""A run's report card as files, with notes on what was scored and how."""

from typing import NamedTuple

import pandas as pd

from audition.files import read_json, write_and_rename, write_csv
from audition.identity import in_short
from audition.reports.caveats import read_caveats
from audition.reports.evaluations import check_one_evaluation
from audition.reports.report_card import (
    IMPROVEMENT,
    SUMMARIES,
    finite,
    report_card,
    score_table,
    shown_scores,
)
from audition.runs.folder import Run, sweep_point
from audition.runs.results import read_results

MOST_NAMED = 10  # tracks


class Card(NamedTuple):
    """A report card: its text, and the table of `score_table` that it summarises."""

    text: str
    table: pd.DataFrame


def write_card(run: Run, notes: str = "", each_source: bool = True) -> Card:
    """Writes `report_card.txt` and `report_card.csv`, whose rows are at full precision.

    Args:
        notes: text for the card's NOTES box, beside the run's name and its point of the sweep.
        each_source: add a column per source to the overall one.
    """
    table = score_table(run)
    check_one_evaluation(run, list(read_results(run.results).values()))
    caveats = read_caveats(run).lines
    text = report_card(table, compose_notes(run, notes, table), each_source, caveats)
    write_csv(run.report_card_csv, table)
    with write_and_rename(run.report_card_txt) as file:
        file.write(text)
    return Card(text, table)


def headline(table: pd.DataFrame) -> str:
    """The mean SI-SDRi over all sources of all tracks, else the first score that means something, as
    a line: `SI-SDRi 4.91 ± 2.76, …`."""
    columns = shown_scores(table)
    name = IMPROVEMENT if IMPROVEMENT in columns else columns[0]
    values = finite(table[name])
    figures = [summary(values) for summary in SUMMARIES.values()] if len(values) else ["-", "-"]
    tracks = table["track"].nunique()
    return f"{name} {figures[0]}, median {figures[1]}, {tracks} tracks"


def compose_notes(run: Run, notes: str, table: pd.DataFrame) -> str:
    """The text of the NOTES box, one fact per line."""
    lines = [f"run: {run.name}"]
    for binding, value in sweep_point(run).items():
        lines.append(f"sweep: {binding} = {value!r}")
    lines += evaluation_notes(run, table)
    return "\n".join([*lines, *notes.splitlines()])


def evaluation_notes(run: Run, table: pd.DataFrame) -> list[str]:
    """How the tracks were separated and scored, and whether any are missing."""
    if not run.evaluation.is_file():
        return []
    evaluation = read_json(run.evaluation)
    lines = [f"separator: {in_short(evaluation['separator'])}"]
    lines += [f"metric: {in_short(metric)}" for metric in evaluation["metrics"]]
    missing = sorted(set(evaluation["tracks"]) - set(table["track"]))
    if missing:
        some = ", ".join(missing[:MOST_NAMED]) + (", …" if len(missing) > MOST_NAMED else "")
        lines.append(f"MISSING: {len(missing)} of {len(evaluation['tracks'])} tracks: {some}")
    return lines
