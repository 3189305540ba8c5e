"""Where a run stands, by its own files, which are right even after a crash or a reboot."""

import contextlib
import datetime
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audition.errors import ConfigError, sentence
from audition.files import read_record, write_json
from audition.interruption import Interrupted
from audition.runs.folder import Run

WHOLE = ("all", "resume", "bootstrap")  # commands after which nothing is left to do
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_status(run: Run) -> dict[str, Any]:
    """The record of the run's last command; `{}` before the first.

    Returns:
        dict with `command`, `state` ("running", "finished", "failed" or "interrupted"), `error`, `began`, `ended`,
        `gpus` (its CUDA_VISIBLE_DEVICES), and the `host`, `boot`, `pid` and `started` that
        tell one process from all others.
    """
    return read_record(run.status)


def this_process(pid: int) -> dict[str, Any]:
    """What identifies process `pid` of this machine, even once its number has been reused."""
    boot = BOOT_ID.read_text().strip() if BOOT_ID.is_file() else None
    return {"host": socket.gethostname(), "boot": boot, "pid": pid, "started": start_ticks(pid)}


def start_ticks(pid: int) -> int | None:
    """Clock ticks from boot to the start of a process; None without that process or /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text.rpartition(")")[2].split()[19])


def is_alive(status: dict[str, Any]) -> bool:
    """Whether the process that wrote a "running" status is still running.

    Also true for a process on another machine, which can't be seen from here.
    """
    if status["host"] != socket.gethostname():
        return True
    return status["started"] is not None and this_process(status["pid"]) == {
        key: status[key] for key in ("host", "boot", "pid", "started")
    }


def is_complete(status: dict[str, Any]) -> bool:
    """Whether the run went all the way: trained, evaluated, analyzed."""
    return status.get("state") == "finished" and status["command"] in WHOLE


@contextlib.contextmanager
def recorded(run: Run, command: str) -> Iterator[None]:
    """Keeps `status.json` up to date while a command works on a run.

    A complete run stays complete when one of its steps is repeated or refused.

    Raises:
        ConfigError: another process is working on this run.
    """
    record = {
        "command": command,
        "began": now(),
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        **this_process(os.getpid()),
    }

    def write(state, **fields):
        write_json(run.status, {**record, "state": state, **fields})

    with one_at_a_time(run):
        before = read_status(run)
        if before.get("state") == "running" and is_alive(before):
            raise ConfigError(
                f"{run.folder} is being worked on by {before['command']} (pid {before['pid']} on "
                f"{before['host']}); wait for it or kill it, or delete its status.json if that "
                "machine is gone."
            )
        write("running")
    if is_complete(before) and command not in WHOLE:
        try:
            yield
        finally:
            write_json(run.status, before)
        return
    try:
        yield
    except BaseException as error:
        if is_complete(before) and isinstance(error, ConfigError):  # refused: the run is unchanged
            write_json(run.status, before)
        else:
            reason = sentence(error) if str(error) else type(error).__name__
            state = "interrupted" if isinstance(error, Interrupted) else "failed"
            write(state, error=reason, ended=now())
        raise
    write("finished", ended=now())


@contextlib.contextmanager
def one_at_a_time(run: Run) -> Iterator[None]:
    """Keeps other processes from reading or writing the status in the meantime."""
    with run.status_lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def now() -> str:
    return datetime.datetime.now().astimezone().isoformat()
