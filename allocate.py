#!/usr/bin/env python3
"""Waits until N GPUs are free, locks them, and becomes the command, which sees only them.

usage: ./allocate.py [--timeout SECONDS] [--share SHARE] N COMMAND...
                                 N = 0 runs at once and sees no GPU; with --share 0.9 a GPU that
                                 only you compute on counts as free below 90 % of its memory
       ./allocate.py --list      what each GPU is doing

A GPU is locked before NVML is asked about it, and the job itself holds the lock, so the lock ends
with the job, however that ends. Processes that wait form a line: the first one watches the GPUs,
the others sleep. Exit code: that of COMMAND; 124 not within --timeout; 125 allocate.py's own
trouble; 126 COMMAND cannot be executed; 127 it is not found.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
import time
from collections import namedtuple

from gpus import Trouble
from gpus.locks import (
    NAMELESS,
    beside,
    is_held,
    is_ours,
    leased_by,
    lock,
    lock_beside,
    lock_folder,
    lockers,
    make_lock_folder,
)
from gpus.nvml import Nvml, visible

USAGE = __doc__.split("\n\n")[1]
TIMED_OUT, CANNOT_EXECUTE, NOT_FOUND = 124, 126, 127
MOST_DIGITS = 9  # of a number of GPUs; Python refuses to read thousands
LOOKS = 3  # at a lease whose holder we cannot see

# timeout: seconds, None waits forever; share: of a GPU's memory, 0 shares no GPU with oneself
Order = namedtuple("Order", "num_gpus command timeout share", defaults=(0.0,))


def say(text: object) -> None:
    print(f"allocate: {text}", file=sys.stderr, flush=True)


def count(num_gpus: int) -> str:
    return f"{num_gpus} GPU" if num_gpus == 1 else f"{num_gpus} GPUs"


# command line -------------------------------------------------------------------------------------


def parse(words: list[str]) -> Order:
    """The Order of `[--timeout SECONDS] [--share SHARE] N COMMAND...`; COMMAND is not examined."""
    timeout, share = None, 0.0
    while words[:1] in (["--timeout"], ["--share"]):
        if words[0] == "--timeout":
            timeout = parse_seconds("--timeout", *words[1:2])
        else:
            share = parse_share(*words[1:2])
        words = words[2:]
    if len(words) < 2 or not words[0].isdecimal() or len(words[0]) > MOST_DIGITS:
        raise Trouble(f"give a number of GPUs and a command\n{USAGE}")
    return Order(int(words[0]), words[1:], timeout, share)


def parse_seconds(name: str, text: str = "") -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise Trouble(f"{name} is a number of seconds, not {text!r}")
    return seconds


def parse_share(text: str = "") -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise Trouble(f"--share is a share of a GPU's memory, above 0 and at most 1, not {text!r}")
    return share


def check_executable(program: str) -> None:
    """Reports a bad command before hours of waiting rather than after them."""
    if not shutil.which(program):
        if "/" in program and os.path.exists(program):
            raise Trouble(f"{program} may not be executed", CANNOT_EXECUTE)
        raise Trouble(f"{program}: command not found", NOT_FOUND)


# waiting ------------------------------------------------------------------------------------------


class Wait:
    """Says why nothing starts yet, again when that changes; the first time starts the clock."""

    def __init__(self, num_gpus, timeout):
        self.num_gpus, self.timeout = num_gpus, timeout
        self.told = None

    def tell(self, reason):
        if self.told is None and self.timeout is not None:
            signal.signal(signal.SIGALRM, self.give_up)
            # Repeated each second: we would miss a signal just before the kernel puts us to sleep.
            signal.setitimer(signal.ITIMER_REAL, max(self.timeout, 1e-3), 1)
        if reason != self.told:
            say(f"waiting for {count(self.num_gpus)}{reason}")
        self.told = reason

    def give_up(self, *_):
        raise Trouble(f"did not get {count(self.num_gpus)} in {self.timeout:g} s", TIMED_OUT)

    def end(self):
        signal.setitimer(signal.ITIMER_REAL, 0)


def acquire(nvml, places, order):
    """Waits for our turn, then for the GPUs.

    Args:
        places: which of `nvml.gpus` may be taken.

    Returns:
        dict, place → descriptor that holds the lease.
    """
    poll = parse_seconds("GPU_LEASE_POLL", os.environ.get("GPU_LEASE_POLL", "2"))
    folder = make_lock_folder()
    wait = Wait(order.num_gpus, order.timeout)
    turn = lock(folder / "turn")
    if turn is None:
        wait.tell(f"; {len(lockers(folder / 'turn'))} before us")
        turn = lock(folder / "turn", wait=True)
    while True:
        leases, reasons = take(nvml, places, order, folder)
        if len(leases) == order.num_gpus:
            break
        wait.tell(": " + "; ".join(reasons))
        time.sleep(poll)
    wait.end()
    os.close(turn)
    return leases


def take(nvml, places, order, folder):
    """Leases on the first free GPUs that the order asks for, or none of them.

    Returns:
        dict, place → descriptor; list of str, why each of the others is not free.
    """
    leases, reasons = {}, []
    for place in places:
        if len(leases) < order.num_gpus:
            lease, reason = take_one(nvml, nvml.gpus[place], folder, order.share)
            if reason:
                reasons.append(f"GPU {place} {reason}")
            else:
                leases[place] = lease
    if len(leases) < order.num_gpus:
        for lease in leases.values():
            os.close(lease)
        leases = {}
    return leases, reasons


def take_one(nvml, gpu, folder, share):
    """(descriptor, "") or (None, why not).

    The lease comes first: it keeps other allocators away until the job touches the GPU. NVML then
    reveals processes that use no leases, and memory not yet released.
    """
    if gpu.error:
        return None, nvml.why_busy(gpu)
    path = folder / gpu.uuid
    lease = lock(path)
    if lease is None and share and is_ours(path):
        lease = lock_beside(path)
    if lease is None:
        return None, leased_by(path)
    held = [sharer for sharer in beside(path) if is_held(sharer)]
    others = [sharer for sharer in held if not (share and is_ours(sharer))]
    reason = leased_by(others[0]) if others else nvml.why_busy(gpu, share)
    if reason:
        os.close(lease)
        return None, reason
    return lease, ""


# verbs --------------------------------------------------------------------------------------------


def list_gpus() -> None:
    nvml = Nvml()
    folder = lock_folder()
    for place, gpu in enumerate(nvml.gpus):
        print(place, gpu.uuid, state_of(nvml, gpu, folder / gpu.uuid))
    print(len(lockers(folder / "turn")), "waiting")


def state_of(nvml, gpu, path):
    """What --list says about a GPU whose lease is `path`.

    A waiting job holds a lease for a moment while it looks at the GPU. So if a lease's holder is
    already gone, we look again.
    """
    for _ in range(LOOKS):
        held = [lease for lease in (path, *beside(path)) if is_held(lease)]
        if not held:
            return nvml.why_busy(gpu) or "free"
        if (state := leased_by(held[0])) != NAMELESS:
            return state
    return NAMELESS


def allocate(order):
    """(CUDA_VISIBLE_DEVICES, descriptors of the leases) once the GPUs are ours."""
    if order.num_gpus == 0:
        return "", []
    nvml = Nvml()
    mask = os.environ.get("CUDA_VISIBLE_DEVICES")
    places = visible(nvml.gpus, mask)
    if order.num_gpus > len(places):
        limit = "" if mask is None else f" and CUDA_VISIBLE_DEVICES={mask!r} leaves {len(places)}"
        have = len(nvml.gpus)
        raise Trouble(f"asked for {count(order.num_gpus)}, but this machine has {have}{limit}")
    leases = acquire(nvml, places, order)
    by_uuid = (mask or "").strip().startswith("GPU-") or nvml.numbers_may_shift()
    words = [nvml.gpus[place].uuid if by_uuid else str(place) for place in leases]
    nvml.close()
    return ",".join(words), leases.values()


def become(command, visible_devices, leases):
    """Replaces this process with the command, which then holds the leases."""
    for lease in leases:
        os.set_inheritable(lease, True)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    gpus = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible_devices}
    try:
        os.execvpe(command[0], command, {**os.environ, **gpus})
    except OSError as error:
        raise Trouble(f"{command[0]}: {error.strerror}", CANNOT_EXECUTE) from error


def main(words: list[str]) -> int:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # let it kill us, as a shell script expects
    try:
        if words in (["-h"], ["--help"]):
            print(__doc__.strip())
        elif words == ["--list"]:
            list_gpus()
        else:
            order = parse(words)
            check_executable(order.command[0])
            visible_devices, leases = allocate(order)
            if order.num_gpus:
                say(f"CUDA_VISIBLE_DEVICES={visible_devices}")
            become(order.command, visible_devices, leases)
    except Trouble as trouble:
        say(trouble)
        return trouble.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
