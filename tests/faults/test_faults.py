"""The short form of `make faults`: a few of each fault, on the commands that take no second."""

from tests.faults.roads import ROADS
from tests.support import road

SLOW = (
    *("analyze", "resume", "debug", "listening_page", "plot_calibration", "instantiate rounds"),
    "bootstrap",
)


def test_what_is_disturbed_comes_out_as_if_it_had_not_been_or_is_told():
    names = [one.name for one in ROADS if one.name not in SLOW]
    done = road.python("-m", "tests.faults", "42", *names)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"| `{name}` | " in done.stdout for name in names)
