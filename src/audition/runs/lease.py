"""Who works on a run: a file that its worker touches, so that any machine can tell if it still does.

The rule: `.lease.<n>` with the highest n names the process that works on the run, and it alone
writes there. It touches that file every ten seconds. It has lost the run at once when its machine
can tell that it is gone; elsewhere, when its file stays untouched for a minute by the clock of
whoever waits for it, so no two clocks are compared and no file is locked. The newcomer makes
`.lease.<n + 1>`, which only one can, and removes the older one and the unfinished files of its
process. A process that stood still meanwhile finds, before a file takes its name, that its lease is
gone; or, where it stood still right then, that the unfinished file is.
"""

import contextlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audition import interruption
from audition.errors import ConfigError
from audition.files import guarded
from audition.process import is_alive, this_process
from audition.runs.folder import Run
from audition.unfinished import sweep_below

log = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 10.0
EXPIRY_SECONDS = 60.0
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Lease:
    """This process's lease of a run.

    Attributes:
        text: what the file says, which no other lease does.
    """

    run: Run
    number: int
    text: str

    @property
    def path(self) -> Path:
        return self.run.lease(self.number)

    def is_ours(self) -> bool:
        return read_text(self.path) == self.text and not self.run.lease(self.number + 1).exists()

    def check(self) -> None:
        """Raises a ConfigError if another process took the run over."""
        if not self.is_ours():
            raise ConfigError(
                f"{self.run.folder} was taken over by another process while this one stood still "
                "for a minute; this one ends and leaves the run alone."
            )

    def keep_alive(self, ended: threading.Event) -> None:
        """Touches the file until `ended` is set; asks for an end if another process took over."""
        while not ended.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):  # of a network that may be back for the next beat
                if not self.is_ours():
                    return interruption.ask()
                os.utime(self.path)


@contextlib.contextmanager
def leased(run: Run, command: str) -> Iterator[None]:
    """Makes this process the one that works on a run; files that it writes are guarded by that.

    Raises:
        ConfigError: another process is working on the run, or took it over.
    """
    lease, ended = take(run, command), threading.Event()
    beat = threading.Thread(target=lease.keep_alive, args=(ended,), daemon=True)
    beat.start()
    try:
        with guarded(lease.check):
            yield
    finally:
        ended.set()
        if read_text(lease.path) == lease.text:
            lease.path.unlink(missing_ok=True)


def take(run: Run, command: str) -> Lease:
    about = {"process": this_process(), "command": command, "pid": os.getpid()}
    text = json.dumps({**about, "host": socket.gethostname(), "taken": time.time_ns()})
    while True:
        number = highest(run)
        former = read(run.lease(number))
        if number and not is_free(run.lease(number)):
            refuse(run, former)
        lease = Lease(run, number + 1, text)
        if not create(lease.path, text):
            continue
        if highest(run) > lease.number:  # from a time when an older one was the highest
            lease.path.unlink()
            continue
        run.lease(number).unlink(missing_ok=True)
        if former:
            sweep_below(run.folder, former["process"])
        return lease


def refuse(run: Run, holder: dict[str, Any]) -> None:
    who = f" by {holder['command']} (pid {holder['pid']} on {holder['host']})" if holder else ""
    raise ConfigError(f"{run.folder} is being worked on{who}; wait for it, or kill it.")


def create(path: Path, text: str) -> bool:
    """Whether the file was made, as it is by one process only, on network file systems, too."""
    try:
        file = path.open("x")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(text)
    except OSError as error:
        path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
    return True


def is_free(path: Path) -> bool:
    """Whether a lease ended: at once where that can be told, else watched for a minute."""
    beat, until = beat_of(path), time.monotonic() + EXPIRY_SECONDS
    told = False
    while time.monotonic() < until:
        if beat_of(path) is None:
            return True
        alive = is_alive(read(path)["process"]) if read(path) else None
        if alive is not None:
            return not alive
        if beat_of(path) != beat:
            return False
        if not told:
            log.warning("waiting up to %.0f s for a sign of life at %s", EXPIRY_SECONDS, path)
            told = True
        time.sleep(POLL_SECONDS)
    return True


def is_worked_on(run: Run) -> bool:
    """Whether the run's lease is alive, as far as one can tell without waiting.

    Of another machine's, this compares its last sign of life with the clock here.
    """
    path = run.lease(highest(run))
    holder, beat = read(path), beat_of(path)
    alive = is_alive(holder["process"]) if holder else None
    if alive is None:
        return beat is not None and time.time() - beat / 1e9 < EXPIRY_SECONDS
    return alive


def highest(run: Run) -> int:
    """Number of the newest lease; 0 if nobody works on the run."""
    numbers = [path.name.rpartition(".")[2] for path in run.folder.glob(run.lease("*").name)]
    return max(map(int, filter(str.isdecimal, numbers)), default=0)


def read(path: Path) -> dict[str, Any]:
    """What a lease says; `{}` if it is gone, or still empty."""
    text = read_text(path)
    return json.loads(text) if text and text.endswith("}") else {}


def read_text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def beat_of(path: Path) -> int | None:
    """When a lease was touched last, in nanoseconds; None if it is gone."""
    try:
        with path.open() as file:  # opening asks the server of a network file system anew
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
