"""Sides that do the same work in processes of their own, in turns, each waiting while another works.

So a busy moment of the machine hurts all of them, and none shares another's caches or threads. What
counts is processor time.
"""

import json
import os
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.peers.environments import python_of

LAST_LINES = 15


class Side(NamedTuple):
    """One side of a contest.

    Attributes:
        name: as it is printed.
        environment: a name of `environments.NAMES`; "audition" is the project's own.
        work: `module.function` in this package, called with a Gate and a folder.
        arguments: of that function, plain values.
    """

    name: str
    environment: str
    work: str
    arguments: dict = {}


class Result(NamedTuple):
    """Seconds of processor time per piece of work.

    Attributes:
        least: of the fastest turn.
        middle: the median of the turns.
    """

    least: float
    middle: float


class Worker:
    """The process of a side.

    Args:
        folder: what the side reads, and where it may write; its output goes to `<name>.log` there.
    """

    def __init__(self, side: Side, folder: Path):
        self.side = side
        self.log = folder / f"{side.name}.log".replace(" ", "_")
        module, function = side.work.split(".")
        arguments = (module, function, str(folder), json.dumps(side.arguments))
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [python_of(side.environment), "-m", "benchmarks.peers.gate", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )

    def answer(self) -> float:
        """Waits for the end of the turn in hand; seconds per piece."""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            last = "\n".join(self.log.read_text().splitlines()[-LAST_LINES:])
            raise SystemExit(f"The side {self.side.name!r} died:\n{last}")
        return float(line)

    def turn(self, pieces: int) -> float:
        self.process.stdin.write(f"{pieces}\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def contest(sides: Iterable[Side], folder: Path, turns: int, pieces: int) -> dict[str, Result]:
    """Name → Result, of so many turns of so many pieces of work each; warming up doesn't count."""
    seconds: dict[str, list[float]] = {}
    with ExitStack() as exits:
        workers = []
        for side in sides:
            worker = Worker(side, folder)
            exits.callback(worker.close)
            worker.answer()
            workers.append(worker)
        for _ in range(turns):
            for worker in workers:
                seconds.setdefault(worker.side.name, []).append(worker.turn(pieces))
    return {name: Result(min(one), median(one)) for name, one in seconds.items()}
