"""Faults inside a process: its n-th file operation kills it, or fails; every write counts."""

import builtins
import errno
import io
import os
import signal
import socket
import time

FAILURES = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO}
CHANGES = ("replace", "rename", "unlink", "remove", "mkdir", "rmdir", "link", "symlink", "fsync")
NOBODY = 65534


class Disturbance:
    """Counts the file operations of this process and disturbs the n-th.

    Args:
        kind: "kill", before the operation or, of a write, after half of it; "ENOSPC" or "EIO", in a
            write, a mkdir or a new file; "count" only counts.
        at: n, from 1.
        lasts: whether all operations after the n-th fail as well, as on a disk that stays full.
    """

    def __init__(self, kind, at=0, lasts=False):
        self.kind, self.at, self.lasts = kind, at, lasts
        self.count = 0

    def step(self, path, writes):
        """Called before an operation; returns whether to do only half of it, and then end."""
        if self.kind in FAILURES and not writes:
            return False
        self.count += 1
        due = self.count >= self.at if self.lasts else self.count == self.at
        if not due or self.kind == "count":
            return False
        if self.kind == "kill":
            return True
        number = FAILURES[self.kind]
        raise OSError(number, os.strerror(number), str(path))

    def arm(self):
        """Puts itself between this process and its files; there is no way back."""
        for name in CHANGES:
            setattr(os, name, self.counted(getattr(os, name), name in ("mkdir", "link", "symlink")))
        os.open = self.counted_open(os.open)
        builtins.open = io.open = self.opener(io.open)

    def counted(self, call, writes):
        def wrapped(*arguments, **named):
            if self.step(arguments[0], writes):
                end()
            return call(*arguments, **named)

        return wrapped

    def counted_open(self, call):
        def wrapped(path, flags, *arguments, **named):
            if flags & os.O_CREAT and self.step(path, True):
                end()
            return call(path, flags, *arguments, **named)

        return wrapped

    def opener(self, plain):
        def opened(
            file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True,
            opener=None,
        ):  # fmt: skip
            if not set(mode) & set("wax+") or str(file).startswith("/dev/"):
                return plain(file, mode, buffering, encoding, errors, newline, closefd, opener)
            if not isinstance(file, int) and "r" not in mode and self.step(file, True):
                end()
            raw = CountedFile(self, file, mode.replace("b", "").replace("t", ""), closefd, opener)
            kind = io.BufferedRandom if "+" in mode else io.BufferedWriter
            binary = kind(raw)
            if "b" in mode:
                return binary
            text = io.TextIOWrapper(binary, encoding, errors, newline, buffering == 1)
            text.mode = mode
            return text

        return opened


class CountedFile(io.FileIO):
    """A file whose writes can be disturbed."""

    def __init__(self, disturbance, *arguments):
        super().__init__(*arguments)
        self.disturbance = disturbance

    def write(self, data):
        if self.disturbance.step(self.name, True):
            super().write(memoryview(data).cast("B")[: len(data) // 2])
            end()
        return super().write(data)


def end():
    os.kill(os.getpid(), signal.SIGKILL)


def end_after(seconds):
    """The system ends this process then, whatever it does; no handler sees it coming."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def be_another_host(name="elsewhere"):
    socket.gethostname = lambda: name


def shift_clock(seconds):
    plain = time.time
    time.time = lambda: plain() + seconds


def redate(paths, seconds):
    """Gives files other dates, as a copy or the clock of a server does."""
    for path in paths:
        found = path.stat()
        os.utime(path, (found.st_atime + seconds, found.st_mtime + seconds))


def be_nobody():
    """What this process may is from now on what anybody may."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def open_to_all(folder):
    """Lets anybody read and write a folder and all in it."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o666)
