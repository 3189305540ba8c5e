#!/usr/bin/env python3
"""Prints the tmux commands that show the log of every running tsp job, in a pane for each.

usage: ./logs.py | sh

Inside tmux they open a window `logs`; outside, a session `logs`, and attach to it. A pane's title
is the job's number and label, and the pane stays when the job ends.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

PANES_PER_WINDOW = 16
LONGEST_TITLE = 200  # tmux accepts 16 KiB of words at once
WINDOW_OPTIONS = {
    "remain-on-exit": "on",
    "pane-border-status": "top",
    "pane-border-format": " #{q/h:@run} ",
}
NEEDED = {"tsp": "task-spooler", "tmux": "tmux"}  # program → package

# A row of tsp's list: number, state and output in padded columns. If a job's words hold a newline,
# they continue in lines that do not look like this.
ROW = re.compile(
    r"(?=[\d ]{5})(\d+) +(running|queued|allocating|finished|skipped) +"
    r"(?:stdout|\(\S+\)|.*?ts-out\.\w{6}|\S+) +(.*)",
    re.DOTALL,
)

Job = namedtuple("Job", "number state command")  # command: as tsp shows it, after the label


def list_jobs(listing: str) -> list[Job]:
    """The Jobs in what `tsp` prints."""
    rows = []
    for line in listing.splitlines()[1:]:
        if ROW.match(line) or not rows:
            rows.append(line)
        else:
            rows[-1] += f"\n{line}"
    return [Job(*match.groups()) for row in rows if (match := ROW.fullmatch(row))]


def split_label(command: str) -> tuple[str, str]:
    """(label, the rest) of `[label]words`; ("", words) without a label.

    The label ends at the bracket that closes it: `[run0:sizes:[1, 2]]` is one label.
    """
    command = re.sub(r"^\[-?\d+\]&& ", "", command)  # says that it waited for another job
    depth = 0
    for place, char in enumerate(command):
        depth += (char == "[") - (char == "]")
        if depth == 0 and place:
            return command[1:place], command[place + 1 :]
        if depth == 0:
            break
    return "", command


def title(job: Job) -> str:
    """`12 run0:lr:0.001`: its number, and its label, its config's folder or its command."""
    label, words = split_label(job.command)
    configs = [Path(word) for word in words.split() if word.endswith(".gin")]
    name = label or (configs and configs[0].parent.name) or words
    return " ".join([job.number, *name.split()])[:LONGEST_TITLE]


def follow(job: Job) -> list[str]:
    """The words that show the log of a job, wherever its tsp keeps it."""
    kept = [f"{name}={os.environ[name]}" for name in ("TS_SOCKET", "TMPDIR") if name in os.environ]
    return ["env", *kept, "tsp", "-t", job.number]


def tmux_words(jobs: list[Job]) -> str:
    """The words of one tmux command, from the options of its first verb on: a pane for each job.

    Each new pane is the current one for the verbs that follow it. The panes are tiled after each
    split, since the same pane has no room for a second one.
    """
    words = ["-n", "logs", *follow(jobs[0])]
    for option, value in WINDOW_OPTIONS.items():
        words += [";", "set-option", "-w", option, value]
    for job in jobs:
        if job is not jobs[0]:
            words += [";", "split-window", *follow(job)]
        text = re.sub(";$", r"\;", title(job))  # otherwise tmux reads it as the end of a verb
        words += [";", "set-option", "-p", "@run", text, ";", "select-layout", "tiled"]
    return shlex.join(words)


def script(jobs: list[Job], inside: bool) -> Iterator[str]:
    """Lines of sh.

    Args:
        jobs: of any state.
        inside: whether they will run inside tmux.
    """
    running = [job for job in jobs if job.state == "running"]
    if not running:
        num_queued = sum(job.state in ("queued", "allocating") for job in jobs)
        yield f'echo "no tsp job is running ({num_queued} queued)" >&2'
        return
    yield "set -e"
    for start in range(0, len(running), PANES_PER_WINDOW):
        if not inside:
            yield "open='new-session -d -s logs'"
            yield "if tmux has-session -t =logs 2>/dev/null; then open='new-window -t =logs:'; fi"
        verb = "new-window" if inside else "$open"
        yield f"tmux {verb} {tmux_words(running[start : start + PANES_PER_WINDOW])}"
    if not inside:
        # The shell reads this script from its input, so it finds the terminal at its output.
        yield "if [ -t 1 ]; then exec tmux attach -t =logs <&1; fi"
        yield "echo 'tmux attach -t logs'"


def main() -> None:
    for program, package in NEEDED.items():
        if not shutil.which(program):
            sys.exit(f"logs.py: {program} is not installed: apt-get install {package}")
    listing = subprocess.run(["tsp"], stdout=subprocess.PIPE, text=True, check=True).stdout
    print("\n".join(script(list_jobs(listing), inside="TMUX" in os.environ)))


if __name__ == "__main__":
    main()
