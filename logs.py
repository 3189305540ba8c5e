#!/usr/bin/env python3
"""Prints the tmux commands that show the log of every running tsp job, a pane for each.

usage: ./logs.py | sh

Inside tmux it opens a window `logs`; outside it makes a session `logs` and attaches to it. A pane
is titled with the job's number and label, and stays when the job ends.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

PANES_PER_WINDOW = 16
LONGEST_TITLE = 200  # tmux takes 16 KiB of words at once
WINDOW_OPTIONS = {
    "remain-on-exit": "on",
    "pane-border-status": "top",
    "pane-border-format": " #{q/h:@run} ",
}
NEEDED = {"tsp": "task-spooler", "tmux": "tmux"}  # program → package

# A row of tsp's list: number, state and output stand in padded columns. A job whose words hold a
# newline goes on in lines that do not look like this.
ROW = re.compile(
    r"(?=[\d ]{5})(\d+) +(running|queued|allocating|finished|skipped) +"
    r"(?:stdout|\(\S+\)|.*?ts-out\.\w{6}|\S+) +(.*)",
    re.DOTALL,
)

Job = namedtuple("Job", "number state command")  # command: as tsp shows it, the label before it


def list_jobs(listing):
    """The Jobs of what `tsp` prints."""
    rows = []
    for line in listing.splitlines()[1:]:
        if ROW.match(line) or not rows:
            rows.append(line)
        else:
            rows[-1] += f"\n{line}"
    return [Job(*match.groups()) for row in rows if (match := ROW.fullmatch(row))]


def split_label(command):
    """(label, the rest) of `[label]words`; ("", words) where there is no label.

    The label ends at the bracket that closes it: `[run0:sizes:[1, 2]]` is one label.
    """
    command = re.sub(r"^\[-?\d+\]&& ", "", command)  # it waited for another job
    depth = 0
    for place, char in enumerate(command):
        depth += (char == "[") - (char == "]")
        if depth == 0 and place:
            return command[1:place], command[place + 1 :]
        if depth == 0:
            break
    return "", command


def title(job):
    """`12 run0:lr:0.001`: its label, else the folder of its config, else its command."""
    label, words = split_label(job.command)
    configs = [Path(word) for word in words.split() if word.endswith(".gin")]
    name = label or (configs and configs[0].parent.name) or words
    return " ".join([job.number, *name.split()])[:LONGEST_TITLE]


def follow(job):
    """The words that show the log of a job, wherever its tsp keeps it."""
    kept = [f"{name}={os.environ[name]}" for name in ("TS_SOCKET", "TMPDIR") if name in os.environ]
    return ["env", *kept, "tsp", "-t", job.number]


def tmux_words(jobs):
    """The words of one tmux command, from the options of its first verb on: a pane for each job.

    Each new pane is the current one for the verbs that follow it, and the panes are tiled after
    each split, since there is no room for a second split of the same pane.
    """
    words = ["-n", "logs", *follow(jobs[0])]
    for option, value in WINDOW_OPTIONS.items():
        words += [";", "set-option", "-w", option, value]
    for job in jobs:
        if job is not jobs[0]:
            words += [";", "split-window", *follow(job)]
        text = re.sub(";$", r"\;", title(job))  # else tmux takes it for the end of a verb
        words += [";", "set-option", "-p", "@run", text, ";", "select-layout", "tiled"]
    return shlex.join(words)


def script(jobs, inside):
    """Lines of sh.

    Args:
        jobs: list of Job, of any state.
        inside: whether it will run inside tmux.
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
        # The shell reads this script from its input: the terminal is where its output goes.
        yield "if [ -t 1 ]; then exec tmux attach -t =logs <&1; fi"
        yield "echo 'tmux attach -t logs'"


def main():
    for program, package in NEEDED.items():
        if not shutil.which(program):
            sys.exit(f"logs.py: {program} is not installed: apt-get install {package}")
    listing = subprocess.run(["tsp"], stdout=subprocess.PIPE, text=True, check=True).stdout
    print("\n".join(script(list_jobs(listing), inside="TMUX" in os.environ)))


if __name__ == "__main__":
    main()
