"""Disturbs the commands, one fault at a time, and counts what became of them.

The undisturbed run of the same command says what must come out.
"""

import os
import random
from collections import Counter
from typing import NamedTuple

import torch

from audition import registry
from audition.progress import Progress
from tests.faults.arena import KEPT, Arena, look
from tests.faults.disturbed import (
    FAILURES,
    Disturbance,
    be_another_host,
    be_nobody,
    end_after,
    open_to_all,
    redate,
    shift_clock,
)
from tests.faults.roads import ROADS

IN_PLACE = ("flip", "cut", "delete", "date", "closed")
YEAR = 365 * 24 * 3600.0
DEFECTS = ("lost", "stale", "corrupt", "silent", "traceback")
IS_ROOT = os.geteuid() == 0  # others can't be another user
TOLD = "main.py "  # starts the sentence of an error


class Fault(NamedTuple):
    """One disturbance of a command.

    Attributes:
        kind: "kill at", "kill after", "ENOSPC", "EIO"; "foreign": called by a user who may not
            write; "flip", "cut", "delete" or "date" (give another) a file of the finished command, or
            "closed": called by a user who may not read it; "host", "clock" or "dates": killed, and
            taken up under another host's name, at another time, or when all files have other dates.
        where: number of the operation; or a fraction of the duration, of the files, of the bits.
        lasts: whether the disk stays full; whether times are a year later, else earlier.
    """

    kind: str
    where: float
    lasts: bool = False


def draw(road, known, chance):
    """A Fault at random: half of them in the middle of the work, half afterwards in its files."""
    kinds = [
        "kill at",
        "kill at",
        "kill after",
        "ENOSPC",
        "ENOSPC",
        "EIO",
        "host",
        "clock",
        "dates",
    ]
    if known.count == 0:  # it writes nothing
        kinds = ["kill after"]
    if IS_ROOT:
        kinds += ["foreign"]
    if not road.name.startswith("instantiate"):  # whose files other commands read
        kinds += ["flip", "flip", "flip", "cut", "delete", "date", *(["closed"] if IS_ROOT else [])]
    kind = chance.choice(kinds)
    if kind in IN_PLACE:
        return Fault(kind, chance.random(), chance.random() < 0.5)
    if kind == "kill after":
        return Fault(kind, chance.random() * known.seconds)
    return Fault(kind, chance.randint(1, max(1, known.count)), chance.random() < 0.5)


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
    second = arena.attempt(road, again, None, prepared_for(fault, arena.folder))
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
    if fault.kind == "foreign":
        return None, be_nobody
    if fault.kind in FAILURES:
        return Disturbance(fault.kind, fault.where, fault.lasts), lambda: None
    return Disturbance("kill", fault.where), lambda: None


def prepared_for(fault, folder):
    if fault.kind == "host":
        return be_another_host
    if fault.kind == "clock":
        return lambda: shift_clock(later(fault))
    if fault.kind == "dates":
        return lambda: redate(checked(folder), later(fault))
    return lambda: None


def later(fault):
    return YEAR if fault.lasts else -YEAR


def judge_harm(arena, road, fault, known, chance):
    arena.put_back(known.after)
    if fault.kind == "closed":
        open_to_all(arena.folder)
    files = checked(arena.folder)
    path = files[int(fault.where * len(files))]
    harm(path, fault, chance)
    name = path.relative_to(arena.folder)
    prepare = be_nobody if fault.kind == "closed" else lambda: None
    ended = arena.attempt(road, road.again or road.words, None, prepare)
    if ended.code != 0:
        if "Traceback" in ended.text or TOLD not in ended.text:
            return "traceback", f"{fault.kind} {name}: {ended.text[-3000:]}"
        return "told", ""
    # what a command need not read, such as audio that is there, the other user can't compare
    outcome = look(road, arena.folder) if fault.kind == "closed" else ended.outcome
    if outcome == known.outcome:
        return "recovered", ""
    if road.prints and str(path) in ended.text:
        return "told", ""
    return "silent", f"{fault.kind} {name}: {ended.text[-2000:]}"


def checked(folder):
    """The files of an arena from which anything is read, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and is_checked(path.relative_to(folder))
    )


def is_checked(path):
    """Whether anything is read from a file: not from the logs, which are for people."""
    return (
        path.parts[0] not in KEPT
        and "logs" not in path.parts
        and path.name not in ("segments.gin", "rounds.gin")
    )


def harm(path, fault, chance):
    content = bytearray(path.read_bytes())
    if fault.kind == "date":
        redate([path], later(fault))
    elif fault.kind == "closed":
        path.chmod(0)
    elif fault.kind == "delete":
        path.unlink()
    elif fault.kind == "cut":
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
