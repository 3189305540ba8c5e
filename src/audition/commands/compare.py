"""Print and write one table of the scores of many runs, and whether they differ."""

import logging
from pathlib import Path

import gin

from audition.files import write_and_rename
from audition.reports import comparison_table
from audition.reports.compared import compare_runs

log = logging.getLogger(__name__)


@gin.configurable(denylist=["runs"])
def compare(
    runs,
    folders=None,
    baseline=None,
    columns=None,
    each_source=True,
    folder=None,
    group_seeds=True,
    margin=None,
):
    """Prints each method's scores, and their paired differences to one of the methods.

    A method is a run, or several that differ in `train.seed` alone. Mean, standard deviation and
    median are those of the report cards. Differences, their intervals and tests are those of
    `audition.reports.comparison.paired_differences`, which says what they mean.

    Args:
        runs: the Runs after -c.
        folders: list of run folders, and of folders that hold some, or one; of a bootstrap, its rounds
            are the runs; None: `runs`.
        baseline: the run that the others are compared to, as the table calls it, or its folder;
            None: the first.
        columns: list of scores to compare, or one; None: all that there are.
        each_source: also rows per source.
        folder: where comparison.txt, .csv, .md and .tex go; the .csv is at full precision; None:
            nothing is written.
        group_seeds: runs that differ in `train.seed` alone are one method; False: each is its own.
        margin: dB; where an interval lies within ± margin, the verdict is "equivalent"; None: never.

    Raises:
        ConfigError: runs without scores, or whose scores are not of the same metrics on the same
            audio.
    """
    found = compare_runs(folders, baseline, columns, each_source, group_seeds, margin, runs)
    text = comparison_table.as_text(found.table)
    if folder is not None:
        write_tables(Path(folder), found.table, text, found.notes)
    print(comparison_table.to_plain(text, found.notes), end="")


def write_tables(folder, table, text, notes):
    written = {
        "txt": comparison_table.to_plain(text, notes),
        "csv": table.to_csv(index=False),
        "md": comparison_table.to_markdown(text, notes),
        "tex": comparison_table.to_latex(text, notes),
    }
    for suffix, content in written.items():
        with write_and_rename(folder / f"comparison.{suffix}") as file:
            file.write(content)
    log.info("%s", folder / "comparison.{txt,csv,md,tex}")
