import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from audition.errors import ConfigError
from audition.parallel import ItemsFailed, Unpicklable, map_items

JOBS = [(f"track{i}", (i,)) for i in range(6)]


def halve(number):
    if number == 3:
        raise ValueError("three is odd")
    return number / 2


def die(number):
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def threads():
    import torch

    return torch.get_num_threads()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_failing_item_is_named_after_all_others_are_done(num_workers):
    results = []
    with pytest.raises(ItemsFailed, match="track3: ValueError: three is odd") as failed:
        for outcome in map_items(halve, JOBS, num_workers):
            results.append(outcome)
    assert dict(results) == {"track0": 0, "track1": 0.5, "track2": 1, "track4": 2, "track5": 2.5}
    assert list(failed.value.failures) == ["track3"]


class TwoArguments(ValueError):
    """Pickles, but can't be unpickled: its constructor wants more than its text."""

    def __init__(self, file, line):
        super().__init__(f"{file} is wrong in line {line}")


class Locked(ConfigError):
    """Doesn't pickle."""

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()


class Counted(ValueError):
    """Says something else each time that it is unpickled."""

    def __init__(self, text):
        super().__init__(f"once more, {text}")


def fail(kind, *arguments):
    raise kind(*arguments)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_failure_holds_the_exception_itself_or_one_that_says_the_same(num_workers):
    jobs = [
        ("itself", (ValueError, "three", "is odd")),
        ("sentence", (ConfigError, "ValueError: mend it.")),
        ("two", (TwoArguments, "a.wav", 3)),
        ("locked", (Locked, "the file is locked: unlock it.")),
        ("counted", (Counted, "wrong")),
        ("empty", (KeyError,)),
    ]
    with pytest.raises(ItemsFailed) as failed:
        list(map_items(fail, jobs, num_workers))
    failures = pickle.loads(pickle.dumps(failed.value)).failures
    errors = {name: failure.error for name, failure in failures.items()}
    assert {name: (type(error), str(error)) for name, error in errors.items()} == {
        "itself": (ValueError, "('three', 'is odd')"),
        "sentence": (ConfigError, "ValueError: mend it."),
        "two": (Unpicklable, "TwoArguments: a.wav is wrong in line 3"),
        "locked": (ConfigError, "the file is locked: unlock it."),
        "counted": (Unpicklable, "Counted: once more, wrong"),
        "empty": (KeyError, ""),
    }
    assert errors["itself"].args == ("three", "is odd")
    assert all("in fail" in failure.traceback for failure in failures.values())
    assert "sentence: audition.errors.ConfigError: ValueError: mend it.; two: " in str(failed.value)


def test_a_worker_that_is_killed_fails_the_items_under_way():
    with pytest.raises(ItemsFailed, match="track0: a worker process died"):
        list(map_items(die, JOBS, 2))


def test_the_jobs_that_no_killed_worker_held_are_done():
    results = []
    jobs = [(f"track{i}", (i,)) for i in range(20)]
    with pytest.raises(ItemsFailed) as failed:
        for name, _ in map_items(die, jobs, 2):
            results.append(name)
    assert len(results) + len(failed.value.failures) == 20
    assert len(results) >= 16


def test_jobs_are_read_lazily():
    taken = []

    def jobs():
        for name, arguments in JOBS:
            taken.append(name)
            yield name, arguments

    results = map_items(os.path.basename, ((name, (name,)) for name, _ in jobs()))
    next(results)
    assert taken == ["track0"]


def test_workers_have_one_thread():
    assert [count for _, count in map_items(threads, [("one", ())], 1)] == [1]


def hang():
    print(os.getpid(), flush=True)
    threading.Event().wait()


HANGING = """
from audition.parallel import map_items
from tests.test_parallel import hang

if __name__ == "__main__":
    list(map_items(hang, [("one", ()), ("two", ())], 2))
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "hanging.py"
    script.write_text(HANGING)
    parent = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    try:
        parent.communicate(timeout=60)  # ends when nobody holds the pipe any more
    finally:
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_pool_that_is_done_says_nothing(tmp_path):
    script = tmp_path / "done.py"
    script.write_text(HANGING.replace("hang", "threads"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, script], capture_output=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
