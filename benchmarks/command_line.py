"""How long a user waits for `main.py --help`, and for a sweep of 100 points."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NUM_STARTS = 20
RECIPE = ("toy/env.gin", "wham/wham8k.gin", "toy/exp/deep_clustering.gin")
SWEEP = f"sweep.parameters = {{'train.batch_size': {list(range(1, 11))}, 'train.seed': {list(range(10))}}}"


def seconds(*arguments):
    """Wall time of the interpreter with `arguments`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def help_over_bare_start():
    """Both sides take turns, so that a busy moment of the machine affects both."""
    starts = [(seconds("main.py", "--help"), seconds("-c", "pass")) for _ in range(NUM_STARTS)]
    asked, bare = map(statistics.median, zip(*starts, strict=True))
    return asked / bare


def sweep_of_100():
    with tempfile.TemporaryDirectory() as folder:
        wall = seconds("main.py", "instantiate", "-c", *RECIPE, "-o", folder, "-b", SWEEP)
        assert len(list(Path(folder).glob("run*/config.gin"))) == 100
    return wall


if __name__ == "__main__":
    print(f"RATIO help {help_over_bare_start():.2f} (bar at most 6)")
    print(f"RATIO instantiate {sweep_of_100():.2f} (bar under 5)")
