"""Who works on a run, seen from other machines: these are pretended by what their lease says."""

import json
import os
import time

import pytest

from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.process import machine, this_process
from audition.runs import lease
from audition.runs.folder import Run
from audition.runs.lease import is_worked_on, leased
from audition.runs.status import recorded
from tests.support import road
from tests.support.training import QUICK, state, told

ELSEWHERE = f"{'0' * 8}-1-1"  # no machine is called so


def pretend(run, number=1, process=ELSEWHERE):
    """A lease of a process that does nothing."""
    about = {"process": process, "command": "all", "pid": 1, "host": "elsewhere"}
    run.lease(number).write_text(json.dumps(about))
    return run.lease(number)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A Run; those who wait for its lease do so for an hour, which passes without sleeping."""
    now = [0.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    return Run(tmp_path)


def test_a_lease_that_nobody_touches_is_taken_over(run):
    old = pretend(run)
    with leased(run, "resume"):
        assert not old.exists() and run.lease(2).exists()
        assert is_worked_on(run)
    assert list(run.folder.iterdir()) == [] and not is_worked_on(run)


def test_a_lease_with_a_sign_of_life_is_left_alone(run, monkeypatch):
    """Whatever the clocks say: here, the other machine's is a year behind."""
    path = pretend(run)
    beats = iter(range(10**9))
    monkeypatch.setattr(lease.time, "sleep", lambda seconds: os.utime(path, ns=(0, next(beats))))
    with pytest.raises(ConfigError, match=r"is being worked on by all \(pid 1 on elsewhere\)"):
        with leased(run, "resume"):
            pass
    assert path.exists()


def test_a_process_of_this_machine_that_is_gone_is_not_waited_for(run, monkeypatch):
    monkeypatch.setattr(lease.time, "sleep", None)
    pretend(run, process=f"{machine()}-{os.getpid()}-1")  # the number is used again
    assert not is_worked_on(run)
    with leased(run, "resume"):
        pass


def test_a_lease_that_was_being_written_when_its_writer_died_is_taken_over(run):
    run.lease(3).touch()
    with leased(run, "resume"):
        assert run.lease(4).exists()


def test_sweep_status_goes_by_the_last_sign_of_life(run):
    path = pretend(run)
    assert is_worked_on(run)
    os.utime(path, (0, time.time() - 100))
    assert not is_worked_on(run)


def test_who_stood_still_finds_out_before_it_writes(run):
    with pytest.raises(ConfigError, match="was taken over by another process while this one stood"):
        with recorded(run, "train"):
            pretend(run, 2)
            write_json(run.folder / "scores.json", {})
    assert not (run.folder / "scores.json").exists()
    assert read_json(run.status)["state"] == "running"  # the newcomer's to change


def test_who_stood_still_between_looking_and_renaming_finds_its_file_gone(run, monkeypatch):
    """The other process takes over in between: the first look still finds the lease."""
    rename = os.replace

    def after_a_nap(source, target):
        (own,) = run.folder.glob(".lease.*")
        own.write_text(own.read_text().replace(this_process(), ELSEWHERE))
        with monkeypatch.context() as patch:
            patch.setattr(lease, "this_process", lambda: f"{'0' * 8}-2-2")
            patch.setattr(lease, "sweep_below", lambda f, p: sweep_below(f, this_process()))
            lease.take(run, "resume")
        rename(source, target)

    sweep_below = lease.sweep_below
    with pytest.raises(ConfigError, match="was taken over"):
        with leased(run, "train"):
            monkeypatch.setattr(os, "replace", after_a_nap)
            write_json(run.folder / "scores.json", {})
    assert [path.name for path in run.folder.iterdir()] == [".lease.2"]


def test_a_training_that_lost_its_run_leaves_the_checkpoint_alone(instantiate, tmp_path, capsys):
    own = tmp_path / "own.gin"
    own.write_text("import tests.support.signals\ntrain.handlers = [@add_rival]\n")
    (run,) = instantiate(*QUICK[1:], own, "train.save_every_iterations = 1")
    assert "was taken over by another process" in told(capsys, "train", run.config)
    assert state(run)["iteration"] == 1
    assert run.lease(2).exists()
    run.lease(2).unlink()
    road.call("resume", run.config)
