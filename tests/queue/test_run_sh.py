"""run.sh and sweep_status: in this shell, and through a real tsp on a socket of its own."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from audition.errors import ConfigError
from audition.files import read_json, write_json
from audition.runs.folder import Run
from audition.runs.lease import leased
from audition.runs.status import recorded
from tests.queue.fake_gpus import FakeMachine
from tests.queue.spooler import FOR_EVER, Spooler, needs_tsp
from tests.support import road

ORACLE = "evaluate.separator = @nussl.separation.benchmark.IdealBinaryMask()"
SWEEP = "sweep.parameters = {'train.seed': [0, 1, 2, 3]}"


def run_sh(tmp_path, *words, **environment):
    environment = {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        ["sh", tmp_path / "out/run.sh", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def status(capsys, *paths):
    """dict, run → what sweep_status says of it."""
    capsys.readouterr()
    road.call("sweep_status", *paths)
    lines = capsys.readouterr().out.strip().splitlines()
    return dict(line.split(maxsplit=1) for line in lines if "config.gin was changed" not in line)


@pytest.fixture
def machine(tmp_path):
    """Two pretended GPUs."""
    folder = tmp_path / "machine"
    folder.mkdir()
    machine = FakeMachine(folder, num_gpus=2)
    yield machine
    machine.close()


@pytest.fixture
def spooler(machine):
    """A tsp server of the test's own, whose jobs see the pretended GPUs."""
    spooler = Spooler(**machine.environment)
    yield spooler
    spooler.close()


def in_order(runs):
    """Intervals `(began, ended)` in which runs had a GPU, by GPU."""
    intervals = {}
    for run in runs:
        record = read_json(run.status)
        interval = [datetime.fromisoformat(record[key]) for key in ("began", "ended")]
        intervals.setdefault(record["gpus"], []).append(interval)
    return {gpu: sorted(times) for gpu, times in intervals.items()}


def test_here_runs_all_of_the_new_runs_with_one_cache_and_again_only_what_is_left(
    instantiate, tmp_path, capsys
):
    runs = instantiate(SWEEP.replace("2, 3", ""), "train.num_epochs = 1")
    done = run_sh(tmp_path, "--here")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("/train: 12 items, ") == 1
    said = status(capsys, runs[0].config)
    assert list(said) == ["run0:seed:0", "run1:seed:1"]
    assert all(text.startswith("finished: mean SI-SDRi ") for text in said.values())
    again = run_sh(tmp_path, "--here")
    assert (again.returncode, again.stdout) == (0, "2 finished already\n")


def test_here_goes_on_past_a_failure_and_exits_1(instantiate, tmp_path, capsys):
    first, second = instantiate(SWEEP.replace("2, 3", ""), "train.num_epochs = 1")
    first.config.write_text(
        first.config.read_text().replace("train.seed = 0", "train.device = 'no'")
    )
    assert run_sh(tmp_path, "--here").returncode == 1
    assert second.report_card_txt.exists()
    said = status(capsys, first.config)
    assert said[first.name].startswith("failed: ")
    assert said[second.name].startswith("finished")


def test_a_killed_run_is_told_and_resumed(instantiate, tmp_path, capsys):
    (run,) = instantiate(ORACLE)
    assert status(capsys, run.config) == {"run0": "not started"}
    config = tmp_path / "kill.gin"
    config.write_text("import tests.support.kill_switch\ntrain.handlers = [@add_kill_switch]\n")
    killed = road.spawn("all", "-c", run.config, config, KILL_AT="5")
    assert killed.returncode == -signal.SIGKILL
    assert "all was killed" in status(capsys, run.config)["run0"]
    done = run_sh(tmp_path, "--here")
    assert "resume" in read_json(run.status)["command"], done.stderr
    assert "handlers" in done.stderr  # the config it was killed with kept no handlers' state


def test_a_run_at_work_is_told_and_guarded(instantiate, tmp_path, capsys):
    (run,) = instantiate(ORACLE)
    write_json(run.status, {"command": "all", "state": "running"})
    progress = {"epoch": 3, "num_epochs": 10, "loss": 0.25, "seconds_per_epoch": 60.0}
    write_json(run.folder / "progress.json", progress)
    with leased(run, "all"):
        assert status(capsys, run.config) == {
            "run0": "running all: epoch 3 of 10, loss 0.25, 7 min left"
        }
        assert road.call("evaluate", run.config, check=False) == 2
        assert "is being worked on by all" in capsys.readouterr().err
        done = run_sh(tmp_path, "--here")
        assert (done.returncode, done.stdout) == (0, "out/run0 is running\n"), done.stderr


@needs_tsp
def test_a_sweep_through_tsp_on_two_gpus(instantiate, tmp_path, spooler, capsys, monkeypatch):
    runs = instantiate(SWEEP, "train.num_epochs = 1")
    broken = runs[2]
    broken.config.write_text(broken.config.read_text().replace("seed = 2", "device = 'nonsense'"))
    for name in ("TS_SOCKET", "TMPDIR"):
        monkeypatch.setenv(name, spooler.environment[name])
    blocker = spooler.add(*FOR_EVER)
    first = run_sh(tmp_path, **spooler.environment)
    assert first.returncode == 0, first.stderr
    assert "4 queued" in first.stdout
    assert "0 queued" in run_sh(tmp_path, **spooler.environment).stdout
    listing = spooler.call("tsp")
    assert listing.count("[out/run0:seed:0:cache]") == 1
    assert all(listing.count(f"[{run.label}]") == 1 for run in runs)
    assert spooler.call("tsp", "-S").strip() == "2"
    assert set(status(capsys, tmp_path / "out").values()) == {"queued"}

    os.killpg(spooler.pid(blocker), signal.SIGKILL)
    codes = [spooler.exit_code(blocker + number) for number in range(1, 6)]
    assert codes == [0, 0, 0, 2, 0]  # the cache, then the runs
    by_gpu = in_order(runs)
    assert set(by_gpu) <= {"0", "1"}
    for times in by_gpu.values():
        assert all(one[1] < other[0] for one, other in zip(times, times[1:], strict=False))
    said = status(capsys, tmp_path / "out")
    assert said.pop(broken.name).startswith("failed: ")
    assert all(text.startswith("finished: mean SI-SDRi") for text in said.values())

    broken.config.write_text(broken.config.read_text().replace("device = 'nonsense'", "seed = 2"))
    again = run_sh(tmp_path, **spooler.environment)
    assert "3 finished already" in again.stdout
    assert "1 queued" in again.stdout
    assert [spooler.exit_code(blocker + number) for number in (6, 7)] == [0, 0]
    assert status(capsys, tmp_path / "out")[broken.name].startswith("finished")


def test_runs_that_read_the_same_data_share_a_cache_key(instantiate):
    runs = instantiate("sweep.parameters = {'WHAM_MODE': ['min', 'max'], 'train.seed': [0, 1]}")
    keys = [read_json(run.record)["cache_key"] for run in runs]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_run_sh_serves_older_runs_too_and_takes_names(instantiate, tmp_path):
    instantiate(SWEEP.replace("2, 3", ""), ORACLE, "train.num_epochs = 1")
    instantiate(ORACLE, "train.num_epochs = 1")
    done = run_sh(tmp_path, "--here", "run0:seed:0", "run2")
    assert done.returncode == 0, done.stderr
    cards = sorted(path.parent.name for path in (tmp_path / "out").glob("*/report_card.txt"))
    assert cards == ["run0:seed:0", "run2"]


def test_a_finished_run_stays_finished_whatever_is_tried_on_it(instantiate, capsys):
    (run,) = instantiate(ORACLE, "train.num_epochs = 1")
    road.call("all", run.config)
    finished = status(capsys, run.config)
    assert road.call("train", run.config, check=False) == 2
    road.call("evaluate", run.config)
    assert status(capsys, run.config) == finished


def test_looking_at_scores_half_way_finishes_nothing(instantiate, capsys):
    (run,) = instantiate(ORACLE)
    for command in ("evaluate", "analyze"):
        road.call(command, run.config)
    assert status(capsys, run.config) == {"run0": "analyze finished"}


def test_of_many_that_start_at_once_one_gets_in(tmp_path):
    run, gate, over = Run(tmp_path), threading.Barrier(8), threading.Barrier(8)

    def work():
        gate.wait()
        try:
            with recorded(run, "train"):
                over.wait()
                return "in"
        except ConfigError:
            over.wait()
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(work) for _ in range(8)]]
    assert sorted(answers) == ["in"] + 7 * ["refused"]


def test_sweep_status_shows_rounds_and_runs_with_names(bootstrapped, tmp_path, capsys):
    found = status(capsys, bootstrapped.folder.parent)
    assert list(found) == ["run0", "run0/round0", "run0/round1", "run0/round2"]
    assert (
        found["run0"] == "bootstrap finished" and "finished: mean SI-SDRi" in found["run0/round1"]
    )
    assert list(status(capsys, bootstrapped.folder / "round1")) == ["round0", "round1", "round2"]
    for name in ("Q1", "Q5"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.gin").write_text("")
        (tmp_path / name / "run.json").write_text("{}")
    assert status(capsys, tmp_path) == {"Q1": "not started", "Q5": "not started"}
    assert status(capsys, tmp_path / "Q1") == {"Q1": "not started"}


def test_sweep_status_without_runs_is_told(capsys):
    assert road.call("sweep_status", *road.RECIPE, check=False) == 2
    assert "sweep_status needs runs" in capsys.readouterr().err


def test_runs_that_learn_nothing_need_no_cache(instantiate):
    (run,) = instantiate(ORACLE, "train.model_config = None")
    assert read_json(run.record)["cache_key"] == ""


def test_sweep_status_believes_no_damaged_file(instantiate, capsys):
    (run,) = instantiate(ORACLE, "train.model_config = None")
    road.call("all", run.config)
    (before,) = status(capsys, run.config).values()
    assert before.startswith("finished: mean SI-SDRi")
    run.report_card_csv.write_text(run.report_card_csv.read_text().replace(",1", ",9"))
    assert [*status(capsys, run.config).values()] == [before]
    good = run.status.read_text()
    run.status.write_text(good.replace("finished", "failed"))
    told = [one for one in status(capsys, run.config).values() if "not known" in one]
    assert "status.json is damaged" in told[0]
    run.status.unlink()
    (gone,) = status(capsys, run.config).values()
    assert gone.startswith("not known") and "status.json is gone" in gone
    run.status.write_text(good)
    path = next(run.results.glob("*.json"))
    path.write_text(path.read_text().replace("1", "2"))
    assert f"finished, but {path} is damaged" in "".join(status(capsys, run.config).values())
