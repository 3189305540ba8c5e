"""Print one line per run of a sweep: where it stands."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin

from audition.errors import ConfigError
from audition.files import read_record
from audition.reports.caveats import MARK, read_caveats
from audition.reports.report_card import score_table
from audition.runs.costs import duration
from audition.runs.folder import Run, numbered
from audition.runs.lease import is_worked_on
from audition.runs.status import is_complete, read_status


@gin.configurable(denylist=["runs"])
def sweep_status(runs: Sequence[Run], metric: str = "SI-SDRi") -> None:
    """Prints, per run: not started, queued, running, interrupted, finished or failed, and more.

    Covers the runs given or, for a single one, all in its out folder; a bootstrap is followed by
    its rounds.

    Args:
        runs: the Runs after -c.
        metric: score whose mean is shown for finished runs.
    """
    if not runs:
        raise ConfigError(
            "sweep_status needs runs; give an out folder, or the config.gin of runs, after -c."
        )
    folders = [run.folder for run in runs]
    if len(runs) == 1:
        folders = numbered(runs[0].folder.resolve().parent) or folders
    queued, shown = queued_jobs(), [one for folder in folders for one in with_rounds(folder)]
    width = max(len(name) for name, _ in shown)
    for name, one in shown:
        print(f"{name:<{width}}  {describe(one, queued, metric)}")


def with_rounds(folder: Path) -> list[tuple[str, Run]]:
    """`(name, Run)` of a run and of its rounds."""
    name = folder.resolve().name
    return [(name, Run(folder)), *((f"{name}/{p.name}", Run(p)) for p in numbered(folder))]


def describe(run: Run, queued: str, metric: str) -> str:
    """One line about a run.

    Args:
        queued: tsp's rows of the jobs that wait, with their labels in brackets.
    """
    status = read_status(run)
    if f"[{run.label}]" in queued:
        return "queued"
    if not status:
        return not_known(run)
    if status["state"] == "interrupted":
        return f"{status['error']} in {status['command']}; run.sh goes on from there"
    if status["state"] == "failed":
        return f"failed: {status['error']}"
    if status["state"] == "running":
        return describe_running(run, status)
    if not is_complete(status) or not run.results.is_dir():
        return f"{status['command']} finished"
    try:
        return describe_scores(run, metric)
    except ConfigError as error:
        return f"finished, but {error}"


def not_known(run: Run) -> str:
    """What to say of a run without a readable `status.json`."""
    if run.status.exists():
        return f"not known: {run.status} is damaged; its next command writes it anew"
    if run.checkpoint or run.results.is_dir():
        return f"not known: {run.status} is gone; its next command writes it anew"
    return "not started"


def describe_scores(run: Run, metric: str) -> str:
    """The mean of the results, which have checksums; the report card's table has none.

    Raises:
        ConfigError: a result is damaged, or there are none.
    """
    table, mark = score_table(run), MARK if read_caveats(run).oracle else ""
    if metric not in table:
        return "finished"
    return f"finished: mean {metric} {table[metric].mean():z.2f} dB{mark}"


def describe_running(run: Run, status: dict[str, Any]) -> str:
    if not is_worked_on(run):
        return f"failed: {status['command']} was killed (its process is gone); run.sh resumes it"
    where = f"running {status['command']}"
    at = read_record(run.progress)
    if not at:
        return where
    left = (at["num_epochs"] - at["epoch"]) * at["seconds_per_epoch"]
    return (
        f"{where}: epoch {at['epoch']} of {at['num_epochs']}, loss {at['loss']:.4g}, "
        f"{duration(left)} left"
    )


def queued_jobs() -> str:
    """tsp's rows of the jobs that wait in its queue; empty if tsp isn't installed."""
    if shutil.which("tsp") is None:
        return ""
    listing = subprocess.run(["tsp", "-l"], capture_output=True, text=True)
    if listing.returncode:
        raise ConfigError(f"tsp -l failed ({listing.stderr.strip()}); is its server reachable?")
    return "\n".join(re.findall(r"^\d+ +queued .*", listing.stdout, re.MULTILINE))
