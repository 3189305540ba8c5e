"""Temporary files, whose names tell who writes them: those of killed processes are removed."""

import contextlib
import functools
import os
import re
import tempfile
from pathlib import Path

from audition.process import is_alive

LONGEST_NAME = 50  # of the characters of a file's name that its temporary file's begins with
UNFINISHED = re.compile(r"\..+\.([0-9a-f]{8}-\d+-\d+)\.\w{8}", re.DOTALL)  # name, process, random
DAY = 24 * 60 * 60  # seconds; no file takes longer to write


@functools.cache  # once per process: a folder may hold many files
def sweep(folder: Path) -> None:
    """Removes the temporary files of processes that are gone."""
    for path in folder.iterdir():
        found = UNFINISHED.fullmatch(path.name)
        if found and is_left_over(path, found[1]):
            path.unlink(missing_ok=True)


def is_left_over(path: Path, process: str) -> bool:
    """Whether the process that was writing something is gone.

    Where that can't be seen from here: whether it was written more than a day ago.
    """
    alive = is_alive(process)
    return age(path) > DAY if alive is None else not alive


def sweep_below(folder: Path, process: str) -> None:
    """Removes the temporary files of one process, at any depth, whether or not it is gone."""
    for path in folder.rglob(f".*.{process}.*"):
        if UNFINISHED.fullmatch(path.name):
            path.unlink(missing_ok=True)


def age(path: Path) -> float:
    """Seconds since a file was written, by the clock that also stamps a new file beside it."""
    with tempfile.TemporaryFile(dir=path.parent) as now, contextlib.suppress(FileNotFoundError):
        return os.fstat(now.fileno()).st_mtime - path.stat().st_mtime
    return 0.0
