"""New run folders of a sweep, which appear together or not at all.

They are made in a hidden folder and moved out one by one; each holds a mark that names that folder,
and counts once the folder is gone. What a killed process left is removed by the next sweep.
"""

import contextlib
import errno
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from audition.files import sync
from audition.process import this_process
from audition.runs.folder import Run, next_number
from audition.unfinished import is_left_over, sweep_below

STAGING = re.compile(r"\.sweep\.([0-9a-f]{8}-\d+-\d+)\.\w{8}")
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


@contextlib.contextmanager
def new_sweep(out_folder: Path) -> Iterator[Path]:
    """A hidden folder for new runs; those placed by `place` count from the end of the block."""
    out_folder.mkdir(parents=True, exist_ok=True)
    for path in out_folder.glob(".sweep.*"):
        found = STAGING.fullmatch(path.name)
        if found and is_left_over(path, found[1]):
            remove(path)
    staging = Path(tempfile.mkdtemp(dir=out_folder, prefix=f".sweep.{this_process()}."))
    try:
        yield staging
        sync(out_folder)
        staging.rmdir()
    except BaseException:
        remove(staging)
        raise
    sync(out_folder)
    for run in marked(staging):
        run.mark.unlink()


def staged(staging: Path, number: int) -> Run:
    """A run folder that doesn't count yet."""
    run = Run(staging / str(number))
    run.folder.mkdir()
    run.mark.write_text(staging.name)
    return run


def place(run: Run, label: str) -> Run:
    """Moves a staged run to the next number, which no other gets too: `run<N>` or `run<N>:<label>`,
    or `run<N>_<label>` if the label has no colon, as some programs and file systems want it.

    A hidden folder claims the number itself, so two runs with different labels never share one:
    a folder can't be moved to where another is that holds something.
    """
    out_folder = run.folder.parent.parent
    number = next_number(out_folder)
    while True:
        claim = out_folder / f".run{number}"
        try:
            run.folder.rename(claim)
        except OSError as error:
            if error.errno not in TAKEN:
                raise
            number += 1
            continue
        if next_number(out_folder) <= number:
            break
        claim.rename(run.folder)
        number = next_number(out_folder)
    joint = ":" if ":" in label else "_"
    folder = out_folder / (f"run{number}{joint}{label}" if label else f"run{number}")
    claim.rename(folder)
    return Run(folder)


def marked(staging: Path) -> list[Run]:
    """The runs, and claims of a number, that came from a staging folder."""
    out_folder = staging.parent
    runs = [Run(path) for name in ("run", ".run") for path in out_folder.glob(f"{name}[0-9]*")]
    return [run for run in runs if run.sweep == staging.name]


def remove(staging: Path) -> None:
    """Removes a sweep that was not finished, the hidden folder last: nothing counts meanwhile."""
    sweep_below(staging, STAGING.fullmatch(staging.name)[1])
    for run in [*marked(staging), *map(Run, staging.iterdir())]:
        for path in (run.config, run.record, run.mark):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # holds what somebody else put there
            run.folder.rmdir()
    staging.rmdir()
