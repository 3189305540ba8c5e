"""Signals that ask a command to end: it stops at the next safe place, so that nothing is lost.

Most commands may stop anywhere, as files are written whole or not at all. Loops over items and
trainings finish what is in hand first: they postpone the end, and look whether one was asked for.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
RESUME_ME = 75  # "temporary failure" in sysexits.h; the same command goes on
CTRL_C = 130  # what shells say of a program that Ctrl-C ended
SAME_SECONDS = 0.3  # a group and whoever forwards to it send a signal twice


class Interrupted(BaseException):
    """A signal asked the command to end; no Exception, so that nothing takes it for a failed item."""

    def __init__(self, number: int):
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = CTRL_C if number == signal.SIGINT else RESUME_ME


@dataclass
class State:
    """Attributes:
    asked: number of the signal that came; None before.
    since: when it came, in seconds of the monotonic clock.
    postponed: how many loops finish first what they have in hand.
    """

    asked: int | None = None
    since: float = 0.0
    postponed: int = 0


state = State()


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Makes the first signal an Interrupted and lets the second end the process at once.

    A signal that is ignored stays so, such as SIGHUP after nohup.
    """
    global state
    state = State()
    heard = [one for one in SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
    before = {one: signal.signal(one, receive) for one in heard}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def receive(number: int, frame: FrameType | None) -> None:
    if state.asked is None:
        state.asked, state.since = number, time.monotonic()
        if not state.postponed:
            raise Interrupted(number)
    elif time.monotonic() - state.since > SAME_SECONDS:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """A signal waits until `check` is called."""
    here = state
    here.postponed += 1
    try:
        yield
    finally:
        here.postponed -= 1


def asked() -> bool:
    """Whether a signal asked this process to end."""
    return state.asked is not None


def check() -> None:
    """Raises Interrupted if a signal came."""
    if state.asked is not None:
        raise Interrupted(state.asked)


def ask() -> None:
    """Asks for an end as SIGTERM does, from any thread; does nothing where nobody listens."""
    if signal.getsignal(signal.SIGTERM) == receive:
        os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Signals wait; processes started meanwhile never get any, until they say otherwise."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """Called in a worker: Ctrl-C and what else is sent to a whole group are for its parent.

    Only the parent's own SIGTERM ends the worker, as when a pool is given up.
    """
    for one in set(SIGNALS) - {signal.SIGTERM}:
        signal.signal(one, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=end_when_parent_says, daemon=True).start()


def end_when_parent_says() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
