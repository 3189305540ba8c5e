"""One loop over many items: in this process, or in a pool of processes."""

import itertools
import multiprocessing
import os
import pickle
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from audition import interruption
from audition.errors import ConfigError
from audition.progress import Progress

IN_FLIGHT_PER_WORKER = 2  # enough to keep a worker busy, few enough to bound the memory
WORKER_DIED = "a worker process died while working on this; did it run out of memory?"


@dataclass(frozen=True)
class Failure:
    """Why an item failed.

    Attributes:
        error: the exception itself, without the frames it came through, which hold audio.
        traceback: text of the traceback; its last line is the reason in short.
    """

    error: Exception
    traceback: str

    @property
    def reason(self) -> str:
        return self.traceback.strip().splitlines()[-1]


class Unpicklable(Exception):
    """Stands in for an exception that can't travel between processes; its text names the class."""


class ItemsFailed(Exception):
    """Some items failed; the others are done.

    Attributes:
        failures: dict, name of the item → Failure.
    """

    def __init__(self, failures: dict[str, Failure]):
        self.failures = failures
        reasons = "; ".join(f"{name}: {one.reason}" for name, one in failures.items())
        super().__init__(f"{len(failures)} failed, all others are done: {reasons}")

    def __reduce__(self) -> tuple[type, tuple]:
        return type(self), (self.failures,)


def map_items(
    function: Callable,
    jobs: Iterable[tuple[str, tuple]],
    num_workers: int = 0,
    description: str = "",
    total: int | None = None,
    unit: str = "file",
) -> Iterator[tuple[str, Any]]:
    """Calls `function(*arguments)` for each job and yields the results as they come.

    Args:
        function: a module-level function, as it travels to the workers by name.
        jobs: iterable of `(name, arguments)`, read lazily, a few at a time.
        num_workers: 0 works in this process; more starts a pool of that many processes, each with
            one thread.
        description: text of the progress bar; no bar if empty.
        total: number of jobs, for the bar.
        unit: what one job is called, for the bar.

    Yields:
        `(name, result)`, in order of completion.

    Raises:
        ItemsFailed: at the end, if an item raised an exception or its worker died.
        Interrupted: once what was under way is done and yielded, if a signal came.
    """
    failures = {}
    outcomes = (pooled if num_workers else serial)(function, jobs, num_workers)
    bar = Progress(total=total, desc=description, disable=not description, unit=unit, leave=False)
    with interruption.postponed(), bar:
        for name, result, failure in outcomes:
            bar.update()
            if failure:
                failures[name] = failure
            else:
                yield name, result
        interruption.check()
    if failures:
        raise ItemsFailed(failures)


def serial(function: Callable, jobs: Iterable, num_workers: int) -> Iterator[tuple]:
    for name, arguments in jobs:
        yield attempt(function, name, arguments)
        if interruption.asked():
            return


def attempt(function: Callable, name: str, arguments: tuple) -> tuple[str, Any, Failure | None]:
    """`(name, result, None)` or `(name, None, Failure)`."""
    try:
        return name, function(*arguments), None
    except Exception as error:
        return name, None, Failure(portable(error), traceback.format_exc())


def portable(error: Exception) -> Exception:
    """A copy of the exception that can travel and holds no frames.

    One that doesn't pickle, or whose text changes when it does, becomes a plain ConfigError if it
    is one, otherwise Unpicklable, with the same text.
    """
    with suppress(
        Exception
    ):  # pickle fails in many ways, one being whatever the constructor raises
        copy = pickle.loads(pickle.dumps(error))
        if type(copy) is type(error) and str(copy) == str(error):
            return copy
    if isinstance(error, ConfigError):
        return ConfigError(str(error))
    return Unpicklable(f"{type(error).__qualname__}: {error}")


def pooled(function: Callable, jobs: Iterable, num_workers: int) -> Iterator[tuple]:
    """Outcomes of a pool; if a worker is killed, a new pool carries on with the remaining jobs."""
    jobs = iter(jobs)
    while not (yield from one_pool(function, jobs, num_workers)):
        pass


def one_pool(function: Callable, jobs: Iterator, num_workers: int) -> Generator[tuple, None, bool]:
    """Yields outcomes until the jobs are done, then returns True; False if a worker was killed."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, context, initializer=start_worker) as pool:
        pending = {}
        while True:
            room = num_workers * IN_FLIGHT_PER_WORKER - len(pending)
            if interruption.asked():
                room, pending = 0, {one: pending[one] for one in pending if not one.cancel()}
            try:
                for name, arguments in itertools.islice(jobs, room):
                    with interruption.held_back():  # a worker's imports take seconds
                        pending[pool.submit(attempt, function, name, arguments)] = name
            except BrokenProcessPool:
                pending[None] = name
            if not pending:
                return True
            if None in pending or any(broken(future) for future in pending):
                yield from lost(pending)
                return False
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                if not broken(future):
                    del pending[future]
                    yield future.result()


def broken(future: Future) -> bool:
    return future.done() and isinstance(future.exception(), BrokenProcessPool)


def lost(pending: dict[Future | None, str]) -> Iterator[tuple]:
    """Outcomes of what was in flight when a worker was killed, often for lack of memory."""
    for future, name in pending.items():
        if future is not None and future.done() and not broken(future):
            yield future.result()
        else:
            yield name, None, Failure(BrokenProcessPool(WORKER_DIED), WORKER_DIED)


def start_worker() -> None:
    interruption.leave_to_parent()
    threading.Thread(target=end_with_parent, daemon=True).start()
    use_one_thread()


def end_with_parent() -> None:
    """Ends the worker if its parent is killed; it would otherwise wait for its next job forever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def use_one_thread() -> None:
    """Two OpenMP threads per worker cost more than they gain on a busy machine."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)
