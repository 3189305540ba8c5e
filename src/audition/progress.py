"""Progress of anything that takes more than a few seconds: a bar on a terminal, or a few lines."""

import sys
import time
from collections.abc import Iterable
from typing import IO, Any

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0


class Progress(tqdm):
    """tqdm's bar on a terminal; without one, as in a queue's output, a line per tenth of the work.

    Lines are at least ten seconds apart. The last one says how long it all took, so a short job
    prints just that; `leave=False` omits it.

    Args:
        iterable, desc, total, unit, leave, …: as in tqdm; `unit` names one of the things counted.
    """

    def __init__(
        self,
        iterable: Iterable | None = None,
        desc: str = "",
        total: int | None = None,
        file: IO | None = None,
        **settings: Any,
    ):
        file = file or sys.stderr
        self.in_lines = not file.isatty()
        self.tenths, self.next_line = 0, time.monotonic() + SECONDS_BETWEEN_LINES
        super().__init__(iterable, desc, total, file=file, **settings)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        if not self.in_lines:
            return super().display(msg, pos)
        tenths = 10 * self.n // self.total if self.total else 0
        if tenths > self.tenths and time.monotonic() >= self.next_line:
            self.tell(f"{10 * tenths} %, {self.counted()}")
            self.tenths, self.next_line = tenths, time.monotonic() + SECONDS_BETWEEN_LINES
        return True

    def counted(self) -> str:
        of = f" of {self.total}" if self.total else ""
        plural = "es" if self.unit.endswith("ch") else "s"
        return f"{self.n}{of} {self.unit}{plural}"

    def tell(self, text: str) -> None:
        # set_description appends a colon of its own
        print(f"{self.desc.removesuffix(': ')}: {text}", file=self.fp, flush=True)

    def clear(self, nolock: bool = False) -> None:
        if not self.in_lines:
            super().clear(nolock)

    def close(self) -> None:
        if self.in_lines and not self.disable and self.leave and self.n:
            self.tell(f"{self.counted()} in {self.format_interval(self.format_dict['elapsed'])}")
        if self.in_lines:
            self.leave = False
            self.delay = float("inf")  # tells tqdm that nothing was shown, so it clears nothing
        super().close()
