"""Where a run stands, by its own files, which are right even after a crash or a reboot."""

import contextlib
import datetime
import os
import socket
from collections.abc import Iterator
from typing import Any

from audition.errors import ConfigError, sentence
from audition.files import read_record, write_json
from audition.interruption import Interrupted
from audition.runs.folder import Run
from audition.runs.lease import leased

WHOLE = ("all", "resume", "bootstrap")  # commands after which nothing is left to do


def read_status(run: Run) -> dict[str, Any]:
    """The record of the run's last command; `{}` before the first.

    Returns:
        dict with `command`, `state` ("running", "finished", "failed" or "interrupted"), `error`,
        `began`, `ended`, `gpus` (its CUDA_VISIBLE_DEVICES), and for people its `host` and `pid`;
        whether it still runs is for its lease to say.
    """
    return read_record(run.status)


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
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }

    def write(state, **fields):
        write_json(run.status, {**record, "state": state, **fields})

    with leased(run, command):
        before = read_status(run)
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
            if is_complete(before) and isinstance(error, ConfigError):  # the run is unchanged
                write_json(run.status, before)
            else:
                reason = sentence(error) if str(error) else type(error).__name__
                state = "interrupted" if isinstance(error, Interrupted) else "failed"
                write(state, error=reason, ended=now())
            raise
        write("finished", ended=now())


def now() -> str:
    return datetime.datetime.now().astimezone().isoformat()
