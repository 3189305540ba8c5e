"""A queue (tsp) and a terminal multiplexer (tmux) of a test's own."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.queue.fake_gpus import SECONDS

needs_tsp = pytest.mark.skipif(
    not shutil.which("tsp"), reason="tsp is not installed: apt-get install task-spooler"
)
needs_tmux = pytest.mark.skipif(
    not shutil.which("tmux"), reason="tmux is not installed: apt-get install tmux"
)
FOR_EVER = ("tail", "-f", "/dev/null")  # until it is killed


class Spooler:
    """Private sockets, in a folder with a blank in its name; all jobs are killed by `close`."""

    def __init__(self, num_slots=1, **variables):
        self.folder = Path(tempfile.mkdtemp(prefix="a b"))  # sockets' paths must be short
        own = {name: value for name, value in os.environ.items() if name not in ("TMUX", "CI")}
        here = {name: str(self.folder) for name in ("TMPDIR", "HOME", "TMUX_TMPDIR")}
        socket = {"TS_SOCKET": str(self.folder / "tsp"), "TERM": "xterm"}
        self.environment = {**own, **here, **socket, **variables}
        self.ids = []
        self.call("tsp", "-S", num_slots)

    def call(self, *words, check=True, **options):
        """What a program prints; `options` as of subprocess.run."""
        words = [str(word) for word in words]
        options = {"env": self.environment, "capture_output": True, "text": True, **options}
        return subprocess.run(words, check=check, timeout=SECONDS, **options).stdout

    def add(self, *command, label=None):
        """Id of a job that is now in the queue."""
        flags = [] if label is None else ["-L", label]
        self.ids.append(int(self.call("tsp", *flags, *command)))
        return self.ids[-1]

    def exit_code(self, job):
        """Waits for a job and gives what tsp says of its end."""
        words = ["tsp", "-w", str(job)]
        return subprocess.run(words, env=self.environment, timeout=SECONDS).returncode

    def pid(self, job):
        return int(self.call("tsp", "-p", job))

    def state(self, job):
        return self.call("tsp", "-s", job).strip()

    def output_so_far(self, job):
        path = self.call("tsp", "-o", job, check=False).strip()  # none before it has started
        return Path(path).read_text() if path else ""

    def tmux(self, *words):
        return self.call("tmux", *words).splitlines()

    def close(self):
        self.call("tmux", "kill-server", check=False)
        queued = [job for job in self.ids if self.state(job) == "queued"]
        for job in queued:
            self.call("tsp", "-r", job, check=False)
        for job in [job for job in self.ids if job not in queued]:
            if self.state(job) == "running":
                os.killpg(self.pid(job), signal.SIGKILL)
        self.call("tsp", "-K")
        shutil.rmtree(self.folder, ignore_errors=True)  # a killed job may still write
