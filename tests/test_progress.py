"""A bar on a terminal, a few lines elsewhere."""

import io

import pytest

from audition import progress
from audition.progress import Progress
from tests.support import road


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A list whose last entry is the time."""
    times = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times[-1])
    return times


def walk(file, clock, num_items, seconds_each, **settings):
    with Progress(
        range(num_items), "evaluate", file=file, mininterval=0, unit="track", **settings
    ) as bar:
        for _ in bar:
            clock.append(clock[-1] + seconds_each)
    return file.getvalue()


def test_a_line_per_tenth_where_there_is_no_terminal(clock):
    lines = walk(io.StringIO(), clock, 40, 30.0).splitlines()
    assert lines[0] == "evaluate: 10 %, 4 of 40 tracks"
    assert len(lines) == 11 and lines[-1].startswith("evaluate: 40 of 40 tracks in ")


def test_what_is_over_in_a_moment_takes_one_line(clock):
    (line,) = walk(io.StringIO(), clock, 40, 0.01).splitlines()
    assert line.startswith("evaluate: 40 of 40 tracks in ")
    assert walk(io.StringIO(), clock, 40, 0.01, leave=False) == ""
    assert walk(io.StringIO(), clock, 0, 0.01) == ""


def test_a_description_set_later_has_one_colon(clock):
    bar = Progress(total=2, file=io.StringIO(), unit="batch")
    bar.set_description("train [1/2]")
    bar.update(2)
    bar.close()
    assert bar.fp.getvalue().startswith("train [1/2]: 2 of 2 batches in ")


def test_a_terminal_gets_the_bar(clock):
    text = walk(Terminal(), clock, 4, 0.01)
    assert "100%" in text and "4/4" in text and "\r" in text


def test_the_output_of_a_job_in_a_queue_holds_no_bars(instantiate):
    (run,) = instantiate("train.num_epochs = 1")
    done = road.spawn("all", "-c", run.config)
    assert done.returncode == 0
    assert "\r" not in done.stderr + done.stdout
    assert "evaluate: 4 of 4 tracks in " in done.stderr
