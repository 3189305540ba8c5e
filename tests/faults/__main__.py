"""`make faults`: disturbs every command, writes what became of it into docs/trust.md.

    python -m tests.faults NUMBER [COMMAND ...]      without a word after NUMBER, all commands

Exit 1 if a fault was lost, stale, corrupt or silently accepted, or ended in a traceback.
"""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import main  # noqa: F401, which finds the package
from tests.faults.harness import DEFECTS, disturb

DOCUMENT = Path(__file__).parents[2] / "docs/trust.md"
BEGIN, END = "<!-- begin: written by make faults -->\n", "<!-- end -->\n"
COLUMNS = ("told", "recovered", *DEFECTS)
KINDS = {
    "kill at": "killed at the n-th file operation",
    "kill after": "killed at a random moment",
    "ENOSPC": "disk full at the n-th write",
    "EIO": "disk fails at the n-th write",
    "flip": "a bit of a file flipped",
    "cut": "a file cut",
    "delete": "a file deleted",
    "date": "a file gets another date",
    "dates": "killed, and taken up when all files have other dates",
    "closed": "a file that may not be read",
    "foreign": "folders that may not be written",
    "host": "killed, and taken up on another host",
    "clock": "killed, and taken up a year later or earlier",
}


def share(number, seed, names):
    """Counts and details of one process."""
    with tempfile.TemporaryDirectory() as folder:
        return disturb(folder, number, seed, names, only=names)


def table(counts, place, heading):
    """Markdown of the counts by the `place`-th part of their key."""
    lines = [f"| {heading} | faults | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name in dict.fromkeys(key[place] for key in counts):
        of = Counter()
        for key, count in counts.items():
            of[key[2]] += count * (key[place] == name)
        cells = " | ".join(str(of[column]) for column in COLUMNS)
        lines.append(f"| {KINDS.get(name, f'`{name}`')} | {of.total()} | {cells} |")
    return "\n".join(lines) + "\n"


def write(counts, minutes):
    commit = subprocess.run(["git", "describe", "--always"], capture_output=True, text=True)
    text = (
        f"{counts.total()} faults at commit {commit.stdout.strip()}, in {minutes:.0f} minutes:\n\n"
        f"{table(counts, 0, 'command')}\n{table(counts, 1, 'fault')}"
    )
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}")


def run(number, names):
    """Shares the faults among the cores; returns the exit code."""
    began, cores = time.monotonic(), len(os.sched_getaffinity(0))
    with concurrent.futures.ProcessPoolExecutor(cores) as pool:
        shares = [pool.submit(share, number // cores, seed, names) for seed in range(cores)]
        done = [one.result() for one in shares]
    counts = Counter()
    for found, _ in done:
        counts += found
    ordered = Counter({key: counts[key] for key in sorted(counts)})
    print(table(ordered, 0, "command"), table(ordered, 1, "fault"), sep="\n")
    if not names:
        write(ordered, (time.monotonic() - began) / 60)
    return int(any(details for _, details in done))


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2:]))
