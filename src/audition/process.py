"""Which process is at work, told from all others on any machine, and whether it still is."""

import functools
import os
import socket
from pathlib import Path

from audition.identity import fingerprint

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")  # containers on one machine don't see each other's processes


@functools.cache
def machine() -> str:
    """What tells this boot of this machine, or this container, from others."""
    boot = BOOT_ID.read_text().strip() if BOOT_ID.is_file() else socket.gethostname()
    return fingerprint([boot, os.readlink(NAMESPACE) if NAMESPACE.exists() else None])[:8]


def this_process() -> str:
    """`<machine>-<pid>-<start>`, which no other process has, even once its number is used again."""
    return f"{machine()}-{os.getpid()}-{start_ticks(os.getpid())}"


def start_ticks(pid: int) -> int:
    """Clock ticks from boot to the start of a process; 0 without that process or without /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(text.rpartition(")")[2].split()[19])


def is_alive(process: str) -> bool | None:
    """Whether a process, as `this_process` names it, still runs; None on another machine."""
    where, pid, started = process.split("-")
    if where != machine():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return start_ticks(int(pid)) == int(started)
