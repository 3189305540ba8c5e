"""The most memory that was in use."""

import contextlib
import re
import resource
import sys
from pathlib import Path

RUSAGE_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in which ru_maxrss counts
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FORGET_PEAK = "5"  # proc_pid_clear_refs(5)


class PeakMemory:
    """The most memory in use from here on, by this process and by those it starts.

    The system keeps the peak of a process. Linux can be asked to forget it; elsewhere, or where
    that is forbidden, an earlier peak counts too. Of worker processes the system keeps only the
    largest that ever ended, so new workers count only if they are larger than those before.
    """

    def __init__(self):
        with contextlib.suppress(OSError):
            CLEAR_REFS.write_text(FORGET_PEAK)
        reset_gpu_peaks()
        self.workers = peak_of_workers()

    def measure(self) -> dict[str, int | None]:
        """dict of bytes: `peak_memory_bytes`, resident, of this process or its largest worker;
        `peak_gpu_memory_bytes`, summed over the GPUs that torch used, None if it used none."""
        workers = peak_of_workers()
        resident = max(peak_resident(), workers if workers > self.workers else 0)
        return {"peak_memory_bytes": resident, "peak_gpu_memory_bytes": peak_on_gpus()}


def peak_resident() -> int:
    peak = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text()) if STATUS.is_file() else None
    if peak:
        return 1024 * int(peak[1])
    return RUSAGE_UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_of_workers() -> int:
    return RUSAGE_UNIT * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def reset_gpu_peaks() -> None:
    import torch  # not at the top, so that the ground imports fast

    for gpu in used_gpus():
        torch.cuda.reset_peak_memory_stats(gpu)


def peak_on_gpus() -> int | None:
    import torch

    return sum(torch.cuda.max_memory_allocated(gpu) for gpu in used_gpus()) or None


def used_gpus():
    import torch

    return range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
