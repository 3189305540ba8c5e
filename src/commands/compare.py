"""Print one table of the scores of many runs."""

from pathlib import Path

import gin
import numpy as np
import pandas as pd

from src.errors import ConfigError
from src.metrics import score_table
from src.runs import Run, run_number


@gin.configurable(denylist=["run"])
def compare(run, folders=gin.REQUIRED, columns=("SI-SDR", "SI-SDRi")):
    """Prints mean ± standard deviation and median of each run's scores, overall sources.

    Args:
        run: not used; the runs to compare are in `folders`.
        folders: list of run folders, and of folders that hold some.
        columns: scores to show; those that no run has are left out.

    Raises:
        ConfigError: a folder without scored runs.
    """
    rows = [row_of(one, columns) for folder in folders for one in scored_runs(Path(folder))]
    print(pd.DataFrame(rows).set_index("run").dropna(axis="columns", how="all").to_string())


def scored_runs(folder):
    """The Runs in a folder that have results, by number; the folder itself where it is one."""
    found = [folder, *sorted(folder.glob("run[0-9]*"), key=run_number)]
    runs = [Run(path) for path in found if (path / "results").is_dir()]
    if not runs:
        raise ConfigError(
            f"compare.folders names {str(folder)!r}, which holds no run with results; "
            "run evaluate first."
        )
    return runs


def row_of(run, columns):
    table = score_table(run)
    row = {"run": run.label, "tracks": table.track.nunique()}
    for column in columns:
        values = table.get(column, pd.Series(dtype=float))
        values = values[np.isfinite(values)]
        row[column] = f"{values.mean():z.2f} ± {values.std():.2f}" if len(values) else np.nan
        row[f"{column} median"] = f"{values.median():z.2f}" if len(values) else np.nan
    return row
