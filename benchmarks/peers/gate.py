"""The gate between two pieces of work of a process that takes turns with others, see turns.py.

    python -m benchmarks.peers.gate MODULE FUNCTION FOLDER JSON

calls `FUNCTION(gate, FOLDER, **arguments)` of `benchmarks.peers.MODULE`, which calls `gate()` after
each piece, for ever. The first calls are those of pieces that warm up.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TextIO

WARM_UP = 2  # pieces


class Gate:
    """Counts pieces of work; at the end of a turn tells its processor time and waits for the next.

    Args:
        orders: a line per turn, how many pieces; its end ends the process.
        answers: a line per turn, seconds of processor time a piece, of all threads; the first says
            that it is warm.
    """

    def __init__(self, orders: TextIO, answers: TextIO):
        self.orders, self.answers = orders, answers
        self.count = self.left = WARM_UP
        self.began = time.process_time()

    def __call__(self) -> None:
        self.left -= 1
        if self.left:
            return
        print((time.process_time() - self.began) / self.count, file=self.answers, flush=True)
        order = self.orders.readline()
        if not order:
            os._exit(0)  # a toolkit's training would save, or ask for a longer one
        self.count = self.left = int(order)
        self.began = time.process_time()


def main(module: str, function: str, folder: str, arguments: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what toolkits print goes with what they log
    gate = Gate(sys.stdin, answers)
    work = getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)
    work(gate, Path(folder), **json.loads(arguments))
    sys.exit(f"{module}.{function} came to its end; a side works for ever.")


if __name__ == "__main__":
    main(*sys.argv[1:])
