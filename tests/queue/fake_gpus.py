"""A machine with GPUs that are not there, and launches of allocate.py on it.

The real pynvml loads fake_nvml.c beside this file, compiled, where NVIDIA's library would be.
"""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60  # until a test that waits for something fails
BINDINGS = {
    "nvidia-ml-py3": None,
    "nvidia-ml-py": Path(sys.prefix, "nvidia-ml-py"),  # make test puts it there: the other's module
}
HOLD = ("sh", "-c", 'echo "$CUDA_VISIBLE_DEVICES"; exec cat')  # until its stdin is closed


def installed_bindings():
    return [name for name, folder in BINDINGS.items() if folder is None or folder.is_dir()]


def compile_c(source, program, *flags):
    """Compiles a file of tests/ with the C compiler, which the tests of allocate.py need."""
    subprocess.run(["cc", "-O1", *flags, "-o", program, Path(__file__).parent / source], check=True)
    return program


def wait_until(condition, what):
    """Polls until `condition()` is true and returns what it gave."""
    end = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {SECONDS} s for {what}"
        time.sleep(0.01)
    return found


class FakeMachine:
    """GPUs that allocate.py sees in `environment`; changes reach an allocate.py that waits.

    Attributes:
        gpus: list of dict, the fields of a gpu line in fake_nvml.c.
        facts: set of str, its other lines.
        environment: dict, variables of every process on this machine.
    """

    def __init__(self, folder, num_gpus):
        self.folder = Path(folder)
        self.gpus = [
            {"uuid": f"GPU-{n:04d}-aaaa", "bus": f"00000000:{n + 1:02X}:00.0", "total": 81920}
            | {"used": 4, "reserved": 600, "mode": 0, "mig": 2}
            for n in range(num_gpus)
        ]
        self.facts = set()
        self.launches = []
        library = self.folder / "lib"
        library.mkdir()
        flags = ("-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1")
        compile_c("fake_nvml.c", library / "libnvidia-ml.so.1", *flags)
        self.environment = {
            "LD_LIBRARY_PATH": str(library),
            "FAKE_NVML": str(self.folder / "world"),
            "GPU_LEASE_DIR": str(self.folder / "leases"),
            "GPU_LEASE_POLL": "0.02",
        }
        self.write()

    def write(self):
        lines = [" ".join(["gpu", *map(str, gpu.values())]) for gpu in self.gpus]
        fresh = self.folder / "world.new"
        fresh.write_text("".join(f"{line}\n" for line in [*lines, *sorted(self.facts)]))
        fresh.replace(self.folder / "world")

    def change(self, number, **fields):
        self.gpus[number].update(fields)
        self.write()

    def add(self, fact):
        self.facts.add(fact)
        self.write()

    def remove(self, fact):
        self.facts.remove(fact)
        self.write()

    def use_binding(self, name):
        if BINDINGS[name]:
            self.environment["PYTHONPATH"] = str(BINDINGS[name])

    def inherited(self, **variables):
        """What a process on this machine has in its environment."""
        outer = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")}
        return {**outer, **self.environment, **variables}

    def launch(self, *words, python=(sys.executable,), **variables):
        command = [*python, str(ROOT / "allocate.py"), *map(str, words)]
        self.launches.append(Launch(command, self.inherited(**variables)))
        return self.launches[-1]

    def run(self, *words, **variables):
        """(exit code, stdout, stderr) of an allocate.py that ends by itself."""
        process = self.launch(*words, **variables).process
        out, error = process.communicate(None, SECONDS)
        return process.returncode, out.decode(), error.decode()

    def close(self):
        for launch in self.launches:
            launch.close()


class Launch:
    """One allocate.py; its output is read line by line as it comes."""

    def __init__(self, command, environment, **options):
        pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        self.process = subprocess.Popen(command, env=environment, bufsize=0, **pipes, **options)
        self.pid = self.process.pid

    def read(self, stream):
        ready, _, _ = select.select([stream], [], [], SECONDS)
        assert ready, f"no line came in {SECONDS} s"
        return stream.readline().decode().removesuffix("\n")

    def out(self):
        """The next line of stdout: what HOLD sees, first of all."""
        return self.read(self.process.stdout)

    def says(self):
        """The next line of stderr, without allocate.py's name."""
        return self.read(self.process.stderr).removeprefix("allocate: ")

    def end(self):
        """Lets HOLD end; its exit code."""
        self.process.stdin.close()
        return self.process.wait(SECONDS)

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def close(self):
        """Ends it, whatever it does; what was read and what not is lost."""
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
