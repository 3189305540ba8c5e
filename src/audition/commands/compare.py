"""Print and write one table of the scores of many runs, and whether they differ."""

import logging
from collections.abc import Sequence
from pathlib import Path

import gin
import pandas as pd

from audition.files import write_and_rename, write_csv
from audition.reports import comparison_table
from audition.reports.compared import compare_runs
from audition.runs.folder import Run

log = logging.getLogger(__name__)


@gin.configurable(denylist=["runs"])
def compare(
    runs: Sequence[Run],
    folders: str | Path | Sequence[str | Path] | None = None,
    baseline: str | Path | None = None,
    columns: str | Sequence[str] | None = None,
    each_source: bool = True,
    folder: str | Path | None = None,
    group_seeds: bool = True,
    margin: float | None = None,
) -> None:
    """Prints each method's scores, and their paired differences from one of the methods.

    A method is a run, or several that differ only in `train.seed`. Mean, standard deviation and
    median are those of the report cards. Differences, their intervals and tests are those of
    `audition.reports.comparison.paired_differences`, which says what they mean.

    Args:
        runs: the Runs after -c.
        folders: a run folder or a folder of several, or a list of these; a bootstrap stands for its
            rounds; None takes `runs`.
        baseline: the run to compare the others with, by its name in the table or its folder; None
            takes the first.
        columns: a score to compare, or a list of scores; None takes all there are, save those that
            mean nothing, such as the artifacts of an unprocessed mixture.
        each_source: adds rows per source.
        folder: where comparison.txt, .csv, .md and .tex go, the .csv at full precision; None writes
            nothing.
        group_seeds: takes runs that differ only in `train.seed` as one method; False keeps them
            apart.
        margin: dB; the verdict is "equivalent" if an interval lies within ± margin; None: never.

    Raises:
        ConfigError: runs without scores, or whose scores are not of the same metrics on the same
            audio.
    """
    found = compare_runs(folders, baseline, columns, each_source, group_seeds, margin, runs)
    text = comparison_table.as_text(found.table)
    if folder is not None:
        write_tables(Path(folder), found.table, text, found.notes)
    print(comparison_table.to_plain(text, found.notes), end="")


def write_tables(folder: Path, table: pd.DataFrame, text: pd.DataFrame, notes: list[str]) -> None:
    written = {
        "txt": comparison_table.to_plain(text, notes),
        "md": comparison_table.to_markdown(text, notes),
        "tex": comparison_table.to_latex(text, notes),
    }
    for suffix, content in written.items():
        with write_and_rename(folder / f"comparison.{suffix}") as file:
            file.write(content)
    write_csv(folder / "comparison.csv", table)
    log.info("%s", folder / "comparison.{txt,csv,md,tex}")
