"""Where a command is disturbed, and what an undisturbed one does there.

Each attempt is a fork of a process that has imported everything. It works in an arena, a folder that
is put back to what it was before.
"""

import contextlib
import io
import os
import pickle
import shutil
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

import main
from audition.commands import pipelines
from tests.faults.disturbed import Disturbance, end_after
from tests.faults.roads import write_corpus

KEPT = ("wham",)  # the corpus stays where it is, with its dates
LONGEST_SECONDS = 300.0


class Ended(NamedTuple):
    """How an attempt ended: exit code (negative: signal), output, what it left, operations."""

    code: int
    text: str
    outcome: object
    count: int
    seconds: float


@dataclass
class Known:
    """Of an undisturbed command: the states before and after, what came out, what it took."""

    before: Path
    after: Path
    outcome: object
    count: int
    seconds: float


class Arena:
    """A folder in which commands are disturbed."""

    def __init__(self, folder):
        self.folder = Path(folder) / "arena"
        self.states = Path(folder) / "states"
        self.folder.mkdir(parents=True)
        Path(folder).chmod(0o777)  # where a child of another user reports
        write_corpus(self.folder / "wham")
        self.known = {}

    def put_back(self, state):
        for path in self.folder.iterdir():
            if path.name in KEPT:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if state is not None:
            shutil.copytree(state, self.folder, symlinks=True, dirs_exist_ok=True)

    def keep(self, name):
        """Copies what is in the arena now; returns the folder of the copy."""
        target = self.states / name
        shutil.copytree(self.folder, target, symlinks=True, ignore=shutil.ignore_patterns(*KEPT))
        return target

    def learn(self, road):
        """Runs a command undisturbed after those before it."""
        state = self.known[road.before[-1]].after if road.before else None
        self.put_back(state)
        ended = self.attempt(road, road.words, Disturbance("count"))
        assert ended.code == 0, f"{road.name} undisturbed: {ended.text}"
        before = state or self.states / "nothing"
        before.mkdir(parents=True, exist_ok=True)
        after = self.keep(road.name)
        self.known[road.name] = Known(before, after, ended.outcome, ended.count, ended.seconds)

    def warm_up(self, roads):
        """Runs each command in this process, so that forks find every module imported."""
        for road in roads:
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = main.main([str(word) for word in road.words(self.folder)])
            assert code == 0, f"{road.name}: {said.getvalue()}"
            look(road, self.folder)
        self.put_back(None)

    def attempt(self, road, words, disturbance=None, prepare=lambda: None):
        """Forks, runs one command, and returns how it Ended."""
        report, printed = self.folder.with_name("report"), self.folder.with_name("printed")
        report.unlink(missing_ok=True)
        began = time.monotonic()
        sys.stdout.flush()  # or the child prints it, too
        child = os.fork()
        if child == 0:
            child_works(
                road, words(self.folder), disturbance, prepare, self.folder, report, printed
            )
        with contextlib.suppress(ChildProcessError):
            _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        outcome, count = pickle.loads(report.read_bytes()) if report.exists() else (None, 0)
        text = printed.read_text(errors="replace")
        return Ended(code, text, outcome, count, time.monotonic() - began)


def child_works(road, words, disturbance, prepare, folder, report, printed):
    """Runs in the child, which ends here."""
    code = 70
    try:
        output = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if road.name == "train":  # taken up again by resume, which would go on with these
            pipelines.evaluate = pipelines.analyze = lambda run, **settings: None
        end_after(LONGEST_SECONDS)  # a command that hangs is lost
        tqdm.set_lock(threading.RLock())  # its own is shared by forks, and one of them was killed
        prepare()
        plain = Path.write_bytes
        if disturbance is not None:
            disturbance.arm()
        code = main.main([str(word) for word in words])
        signal.setitimer(signal.ITIMER_REAL, 0)
        if code == 0 and (disturbance is None or disturbance.kind == "count"):
            count = disturbance.count if disturbance else 0
            plain(report, pickle.dumps((look(road, folder), count)))
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def look(road, folder):
    """What came out, or in words why it can't be read."""
    try:
        return road.outcome(folder)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
