"""Kernel locks that any user of the machine may take, and who holds them.

The kernel drops a lock when the last process that has its file open ends, however it ends. We read
who holds it from /proc/locks, which nobody can forge.
"""

from __future__ import annotations

import fcntl
import glob
import itertools
import os
import stat
from collections.abc import Callable
from pathlib import Path

from gpus import Trouble

NAMELESS = "is leased"  # /proc does not show by whom


def lock_folder() -> Path:
    """The folder of the lock files: one for all users, not on a network, emptied by a reboot."""
    if os.environ.get("GPU_LEASE_DIR"):
        return Path(os.environ["GPU_LEASE_DIR"])
    shared = Path("/run/lock")  # unlike /tmp, never aged; on some systems only root may write there
    everyone = shared.is_dir() and shared.stat().st_mode & stat.S_IWOTH
    return (shared if everyone else Path("/tmp")) / "gpu-leases"


def make_lock_folder() -> Path:
    """The folder of the lock files, created if missing."""
    folder = lock_folder()
    remedy = "set GPU_LEASE_DIR to a local folder that all users of the GPUs may write to"
    try:
        make_for_everyone(os.mkdir, folder, 0o1777)
    except OSError as error:
        raise Trouble(f"cannot make {folder} ({error.strerror}); {remedy}") from error
    if not stat.S_ISDIR(folder.lstat().st_mode) or not os.access(folder, os.W_OK | os.X_OK):
        raise Trouble(f"{folder} is not a folder that you may write to; {remedy}")
    return folder


def make_for_everyone(make: Callable[..., int | None], path: Path, *arguments: int) -> int | None:
    """`make(path, …)` without a umask, as other users must be able to lock what the first one made;
    None if the path exists."""
    mask = os.umask(0)
    try:
        return make(path, *arguments)
    except FileExistsError:
        return None
    finally:
        os.umask(mask)


def lock(path: Path, wait: bool = False) -> int | None:
    """A descriptor that holds the file's lock, or None if someone else has it.

    Args:
        path: of an empty file, created if missing.
        wait: sleeps in the kernel until the lock is ours, instead of returning None.
    """
    while True:
        try:
            descriptor = open_for_everyone(path)
        except OSError as error:
            raise Trouble(f"cannot open the lock {path}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Trouble(f"the lock {path} is no plain file: remove it")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        if identity(path) == identity(descriptor):
            return descriptor
        os.close(descriptor)  # something deleted the file, so its lock would keep nobody out


def open_for_everyone(path: Path) -> int:
    """First without O_CREAT: fs.protected_regular forbids it on other users' files in /tmp.

    O_NONBLOCK, as opening a FIFO would wait for someone who writes to it.
    """
    create = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    while True:
        try:
            return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            descriptor = make_for_everyone(os.open, path, create, 0o444)
            if descriptor is not None:
                os.close(descriptor)


def identity(file: Path | int) -> tuple[int, int] | None:
    """(device, inode) of a path or descriptor; None if it is gone."""
    try:
        status = os.stat(file)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def lockers(path: Path) -> list[tuple[int, bool]]:
    """(pid, whether it still waits) of each process at the lock that the kernel shows us."""
    if not (found := identity(path)):
        return []
    device, inode = found
    key = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    rows = [row.split() for row in Path("/proc/locks").read_text().splitlines()]
    return [(int(row[-4]), "->" in row) for row in rows if "FLOCK" in row and row[-3] == key]


def lock_beside(path: Path) -> int:
    """A descriptor that holds a lock beside `path`'s: for another job of a GPU's own user."""
    names = (path.with_name(f"{path.name}+{number}") for number in itertools.count(1))
    return next(held for held in map(lock, names) if held is not None)


def beside(path: Path) -> list[Path]:
    """The lock files of further jobs of a GPU's own user."""
    return sorted(path.parent.glob(f"{path.name}+*"))


def is_ours(path: Path) -> bool:
    """Whether only processes of this user hold the lock, as far as /proc tells."""
    pids = [pid for pid, waits in lockers(path) if not waits] or openers(path)
    return bool(pids) and all(user_of(pid) == os.getuid() for pid in pids)


def user_of(pid: int) -> int | None:
    """The user's number; None if the process has ended or is hidden."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def is_held(path: Path) -> bool:
    """Whether someone holds the lock, even if /proc/locks hides them, as in another container."""
    if any(not waits for _, waits in lockers(path)):
        return True
    if not path.exists():
        return False
    descriptor = lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def leased_by(path: Path) -> str:
    """What to say about a lock that someone holds."""
    alive = [pid for pid, waits in lockers(path) if not waits and Path(f"/proc/{pid}").exists()]
    names = ", ".join(describe(pid) for pid in alive or openers(path))
    return f"is leased by {names}" if names else NAMELESS


def openers(path: Path) -> list[int]:
    """Pids that have the file open, if /proc shows them: what an ended job left running."""
    links = glob.iglob("/proc/[0-9]*/fd/*")
    own_name = os.path.realpath(path)
    return sorted({int(link.split("/")[2]) for link in links if target(link) == own_name})


def target(link: str) -> str | None:
    try:
        return os.readlink(link)
    except OSError:  # closed in the meantime, or not visible to us
        return None


def describe(pid: int) -> str:
    """`pid 812 (uid 1000: python main.py …)`, as far as /proc tells."""
    process = Path(f"/proc/{pid}")
    try:
        command = process.joinpath("cmdline").read_bytes().decode(errors="replace")
        user = process.stat().st_uid
    except OSError:  # it has ended, or lives outside this container
        return f"pid {pid}"
    words = "".join(char if char.isprintable() else " " for char in command)
    return f"pid {pid} (uid {user}: {words.strip()[:80]})"
