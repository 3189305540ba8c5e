"""Many allocate.py at once on 8 GPUs, with kill -9 at random, and an auditor who trusts no locks.

python -m tests.queue.stress_allocate [LAUNCHES]        exits with 1 where a GPU was given twice or lost
"""

import dataclasses
import os
import random
import select
import statistics
import sys
import tempfile
import time
from pathlib import Path

from gpus.locks import lock
from tests.queue.fake_gpus import BINDINGS, SECONDS, FakeMachine, compile_c, installed_bindings

NUM_GPUS = 8
AT_ONCE = 50
KILLS_PER_LAUNCH = 0.4  # of which half meet a job, the others whoever it may be
REQUESTS, SHARES = (1, 2, 4, 8), (70, 20, 8, 2)  # GPUs asked for, and how often in 100
JOB_MILLISECONDS = (50, 500)


@dataclasses.dataclass
class Figures:
    """What came of it; waits are seconds from launch to start."""

    launches: int
    finished: int
    killed_waiting: int
    killed_running: int
    doubles: int  # jobs that met another one on their GPU
    lost: int  # GPUs that stay leased when all is over
    wrong_codes: int  # exit codes other than the job's own
    median_wait: float
    longest_wait: float
    seconds: float

    def __str__(self):
        return (
            f"{self.launches} launches in {self.seconds:.0f} s: {self.finished} finished, "
            f"{self.killed_waiting} killed waiting, {self.killed_running} killed running\n"
            f"{self.doubles} double allocations, {self.lost} lost GPUs, "
            f"{self.wrong_codes} wrong exit codes\n"
            f"wait: median {self.median_wait:.1f} s, longest {self.longest_wait:.1f} s"
        )


@dataclasses.dataclass
class Job:
    launch: object
    handle: int  # pidfd: readable once the process has ended
    code: int  # what it is to exit with
    since: float  # seconds, time.monotonic()
    killed: bool = False


class Crowd:
    """The allocators that are alive; `launch` adds one, `wait` takes away who has ended."""

    def __init__(self, folder, bindings):
        self.machine = FakeMachine(folder, NUM_GPUS)
        self.program = compile_c("audit_job.c", Path(folder) / "audit_job")
        self.log = Path(folder) / "audit"
        self.log.touch()
        self.bindings = bindings
        self.random = random.Random(0)
        self.alive, self.ended = [], []

    def launch(self):
        num_gpus = self.random.choices(REQUESTS, SHARES)[0]
        milliseconds, code = self.random.randint(*JOB_MILLISECONDS), self.random.randrange(4)
        binding = BINDINGS[self.random.choice(self.bindings)]
        launch = self.machine.launch(
            *(num_gpus, self.program, milliseconds, code),
            AUDIT_NAME=str(self.machine.folder),
            AUDIT_LOG=str(self.log),
            PYTHONPATH=str(binding or ""),
        )
        handle = os.pidfd_open(launch.pid)
        self.alive.append(Job(launch, handle, code, time.monotonic()))

    def wait(self):
        """Until one ends."""
        ready, _, _ = select.select([job.handle for job in self.alive], [], [])
        for job in [job for job in self.alive if job.handle in ready]:
            self.alive.remove(job)
            self.ended.append(job)
            job.launch.close()
            os.close(job.handle)

    def kill(self):
        """Kills one, more often than by chance one that runs: most are waiting."""
        started = self.events("start")
        running = [job for job in self.alive if job.launch.pid in started]
        victim = self.random.choice(self.random.choice([self.alive, running]) or self.alive)
        victim.launch.process.kill()
        victim.killed = True

    def events(self, kind):
        """dict pid → seconds of each job's event of that kind."""
        rows = [line.split() for line in self.log.read_text().splitlines()]
        return {int(pid): int(time_ns) / 1e9 for event, pid, time_ns in rows if event == kind}


def stress(folder, num_launches, bindings):
    """Figures of `num_launches` allocators, AT_ONCE at a time."""
    crowd = Crowd(folder, bindings)
    start = time.monotonic()
    for _ in range(num_launches):
        while len(crowd.alive) >= AT_ONCE:
            crowd.wait()
        crowd.launch()
        if crowd.random.random() < KILLS_PER_LAUNCH:
            crowd.kill()
    while crowd.alive:
        crowd.wait()
    return judge(crowd, time.monotonic() - start)


def judge(crowd, seconds):
    started = crowd.events("start")
    waits = [
        started[job.launch.pid] - job.since for job in crowd.ended if job.launch.pid in started
    ]
    killed = [job.launch.pid in started for job in crowd.ended if job.launch.process.returncode < 0]
    codes = [(job.launch.process.returncode, job.code) for job in crowd.ended if not job.killed]
    return Figures(
        launches=len(crowd.ended),
        finished=len(crowd.events("end")),
        killed_waiting=killed.count(False),
        killed_running=killed.count(True),
        doubles=len(crowd.events("double")),
        lost=count_lost(crowd.machine),
        wrong_codes=sum(given != wanted for given, wanted in codes),
        median_wait=statistics.median(waits),
        longest_wait=max(waits),
        seconds=seconds,
    )


def count_lost(machine):
    """GPUs whose lease is still held, or all where a job that asks for all cannot start."""
    leases = [lock(Path(machine.environment["GPU_LEASE_DIR"], gpu["uuid"])) for gpu in machine.gpus]
    for lease in leases:
        if lease is not None:
            os.close(lease)
    code, _, _ = machine.run("--timeout", SECONDS / 2, NUM_GPUS, "true")
    return leases.count(None) if code == 0 else NUM_GPUS


def main(words):
    num_launches = int(words[0]) if words else 2000
    bindings = installed_bindings()
    with tempfile.TemporaryDirectory() as folder:
        figures = stress(folder, num_launches, bindings)
    print(f"{AT_ONCE} at once on {NUM_GPUS} GPUs, pynvml of {' and '.join(bindings)}")
    print(figures)
    return 1 if figures.doubles or figures.lost or figures.wrong_codes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
