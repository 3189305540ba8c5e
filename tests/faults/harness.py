"""Disturbs the commands, one fault at a time, and counts what became of them.

Each attempt is a fork of a process that has imported everything. It works in an arena, a folder that
is put back to what it was before; the undisturbed run of the same command says what must come out.
"""

import contextlib
import io
import os
import pickle
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

import main
from audition import registry
from audition.commands import pipelines
from audition.progress import Progress
from tests.faults.disturbed import (
    FAILURES,
    Disturbance,
    be_another_host,
    end_after,
    shift_clock,
)
from tests.faults.roads import ROADS, write_corpus

KEPT = ("wham",)  # the corpus stays where it is, with its dates
IN_PLACE = ("flip", "cut", "delete")
YEAR = 365 * 24 * 3600.0
LONGEST_SECONDS = 300.0
DEFECTS = ("lost", "stale", "corrupt", "silent", "traceback")
TOLD = "main.py "  # starts the sentence of an error


class Fault(NamedTuple):
    """One disturbance of a command.

    Attributes:
        kind: "kill at", "kill after", "ENOSPC", "EIO"; "flip", "cut" or "delete" a file of the
            finished command; "host" or "clock": killed, and taken up under another host's name, or
            at another time.
        where: number of the operation; or a fraction of the duration, of the files, of the bits.
    """

    kind: str
    where: float
    lasts: bool = False


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
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                assert main.main([str(word) for word in road.words(self.folder)]) == 0
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


# faults ----------------------------------------------------------------------------------------


def draw(road, known, chance):
    """A Fault at random: half of them in the middle of the work, half afterwards in its files."""
    kinds = ["kill at", "kill at", "kill after", "ENOSPC", "ENOSPC", "EIO", "host", "clock"]
    if not road.name.startswith("instantiate"):  # whose files other commands read
        kinds += ["flip", "flip", "flip", "cut", "delete"]
    kind = chance.choice(kinds)
    if kind in IN_PLACE:
        return Fault(kind, chance.random())
    if kind == "kill after":
        return Fault(kind, chance.random() * known.seconds)
    return Fault(kind, chance.randint(1, known.count), chance.random() < 0.5)


def plan(roads, known, number):
    """The roads of `number` faults: a third in equal parts, the rest by how many fit into a second."""
    rates = [1 / known[road.name].seconds for road in roads]
    shares = [number * (1 / (3 * len(roads)) + 2 * rate / (3 * sum(rates))) for rate in rates]
    each = [max(1, round(share)) for share in shares]
    each[each.index(max(each))] += number - sum(each)
    return [road for road, times in zip(roads, each, strict=True) for _ in range(times)]


def judge(arena, road, fault, chance):
    """`(verdict, details)` of one fault.

    Verdicts: "told" and mended by calling again, "recovered" without a word, or one of the defects
    "lost" (calling again doesn't help), "stale" (something else comes out), "corrupt" (what comes
    out can't be read), "silent" (a harmed file was believed), "traceback" (instead of a sentence).
    """
    known = arena.known[road.name]
    if fault.kind in IN_PLACE:
        return judge_harm(arena, road, fault, known, chance)
    arena.put_back(known.before)
    first = arena.attempt(road, road.words, *disturbance_of(fault))
    again = road.again if road.again and fault.kind != "count" else road.words
    second = arena.attempt(road, again, None, prepared_for(fault))
    if second.code != 0:
        return "lost", f"{fault}: {first.text[-2000:]}\n--- again:\n{second.text[-3000:]}"
    if isinstance(second.outcome, str):
        return "corrupt", f"{fault}: {second.outcome}"
    if second.outcome != known.outcome:
        return "stale", f"{fault}: {first.text[-1500:]}\n--- again:\n{second.text[-1500:]}"
    if TOLD not in first.text and (first.code > 0 or "Traceback" in first.text):
        return "traceback", f"{fault}: {first.text[-3000:]}"
    return "told" if first.code > 0 else "recovered", ""


def disturbance_of(fault):
    if fault.kind == "kill after":
        return None, lambda: end_after(max(fault.where, 1e-3))
    if fault.kind in FAILURES:
        return Disturbance(fault.kind, fault.where, fault.lasts), lambda: None
    return Disturbance("kill", fault.where), lambda: None


def prepared_for(fault):
    if fault.kind == "host":
        return be_another_host
    if fault.kind == "clock":
        return lambda: shift_clock(YEAR if fault.lasts else -YEAR)
    return lambda: None


def judge_harm(arena, road, fault, known, chance):
    arena.put_back(known.after)
    files = sorted(
        path
        for path in arena.folder.rglob("*")
        if path.is_file() and not path.is_symlink() and is_checked(path.relative_to(arena.folder))
    )
    path = files[int(fault.where * len(files))]
    harm(path, fault.kind, chance)
    name = path.relative_to(arena.folder)
    ended = arena.attempt(road, road.again or road.words)
    if ended.code != 0:
        if "Traceback" in ended.text or TOLD not in ended.text:
            return "traceback", f"{fault.kind} {name}: {ended.text[-3000:]}"
        return "told", ""
    if ended.outcome == known.outcome:
        return "recovered", ""
    return "silent", f"{fault.kind} {name}: {ended.text[-2000:]}"


def is_checked(path):
    """Whether anything is read from a file: not from the logs, which are for people."""
    return (
        path.parts[0] not in KEPT
        and "logs" not in path.parts
        and path.name not in ("segments.gin", "rounds.gin")
    )


def harm(path, kind, chance):
    content = bytearray(path.read_bytes())
    if kind == "delete":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(content[: chance.randrange(max(1, len(content)))])
    elif content:
        bit = chance.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)


def disturb(folder, number, seed, names=(), only=(), tell=print):
    """Disturbs the commands, the fast ones more often.

    Args:
        folder: empty, for what they write.
        number: of faults.
        seed: of the choice of faults.
        names: commands to disturb; empty: all.
        only: commands to run undisturbed, at least those before; empty: all.
        tell: gets a text about each command and each defect.

    Returns:
        `(Counter of (command, kind, verdict), list of (command, verdict, details) of defects)`.
    """
    chance = random.Random(seed)
    torch.set_num_threads(1)
    registry.register()
    arena, roads = Arena(folder), [road for road in ROADS if not names or road.name in names]
    known = [road for road in ROADS if not only or road.name in only]
    arena.warm_up(known)
    for road in known:
        arena.learn(road)
        took = arena.known[road.name]
        tell(f"{road.name}: {took.count} operations, {took.seconds:.2f} s undisturbed")
    counts, details = Counter(), []
    for road in Progress(plan(roads, arena.known, number), "faults", unit="fault"):
        fault = draw(road, arena.known[road.name], chance)
        verdict, detail = judge(arena, road, fault, chance)
        counts[road.name, fault.kind, verdict] += 1
        if detail:
            details.append((road.name, verdict, detail))
            tell(f"{road.name}, {verdict}: {detail}\n")
    return counts, details
