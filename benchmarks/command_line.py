"""How long a person waits for `main.py --help`, and for a sweep of 100 points."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NUM_STARTS = 20
EXPERIMENT = """
sweep.parameters = {
    'train.batch_size': [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    'torch.optim.Adam.lr': [1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3, 8e-3, 9e-3, 1e-2],
}
train.batch_size = 1
torch.optim.Adam.lr = 1e-3
train.optimizer = @torch.optim.Adam
train.loss_dictionary = {'PermutationInvariantLoss': {'args': ['L1Loss'], 'weight': 1.0}}
"""


def seconds(*arguments):
    """Wall time of the interpreter with `arguments`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def help_over_bare_start():
    """Both sides take turns, so that a busy moment of the machine hits both."""
    starts = [(seconds("main.py", "--help"), seconds("-c", "pass")) for _ in range(NUM_STARTS)]
    asked, bare = map(statistics.median, zip(*starts, strict=True))
    return asked / bare


def sweep_of_100():
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder, "sweep.gin")
        experiment.write_text(EXPERIMENT)
        out = Path(folder, "out")
        wall = seconds("main.py", "-c", str(experiment), "-o", str(out), "instantiate")
        assert len(list(out.glob("run*/config.gin"))) == 100
    return wall


if __name__ == "__main__":
    print(f"RATIO help {help_over_bare_start():.2f} (bar at most 6)")
    print(f"RATIO instantiate {sweep_of_100():.2f} (bar under 5)")
