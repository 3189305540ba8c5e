"""run.sh and sweep_status: in this shell, and through a real tsp on a socket of its own."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from src.files import read_json, write_json
from src.status import status_path, this_process
from tests import road

needs_tsp = pytest.mark.skipif(
    shutil.which("tsp") is None, reason="tsp is missing: apt-get install task-spooler"
)
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
    return dict(line.split(maxsplit=1) for line in capsys.readouterr().out.strip().splitlines())


@pytest.fixture
def queue(tmp_path):
    """Environment of a tsp server of its own, which ends with the test."""
    environment = {"TS_SOCKET": str(tmp_path / "tsp.socket"), "TMPDIR": str(tmp_path)}
    yield environment
    subprocess.run(["tsp", "-K"], env={**os.environ, **environment}, check=True)


def tsp(queue, *words):
    done = subprocess.run(
        ["tsp", *words], env={**os.environ, **queue}, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_here_runs_all_of_the_new_runs_with_one_cache_and_again_only_what_is_left(
    instantiate, tmp_path, capsys
):
    runs = instantiate(SWEEP.replace("2, 3", ""), "train.num_epochs = 1")
    done = run_sh(tmp_path, "--here")
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).count("/cache/train: 12 items") == 1
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
    config.write_text("import tests.kill_switch\ntrain.handlers = [@add_kill_switch]\n")
    killed = road.spawn("all", "-c", run.config, config, KILL_AT="5")
    assert killed.returncode == -signal.SIGKILL
    assert "all was killed" in status(capsys, run.config)["run0"]
    done = run_sh(tmp_path, "--here")
    assert "resume" in read_json(status_path(run))["command"], done.stderr
    assert "handlers" in done.stderr  # the config it was killed with kept no handlers' state


def test_a_run_at_work_is_told_and_guarded(instantiate, capsys):
    (run,) = instantiate(ORACLE)
    write_json(
        status_path(run), {"command": "all", "state": "running", **this_process(os.getpid())}
    )
    progress = {"epoch": 3, "num_epochs": 10, "loss": 0.25, "seconds_per_epoch": 60.0}
    write_json(run.folder / "progress.json", progress)
    assert status(capsys, run.config) == {
        "run0": "running all: epoch 3 of 10, loss 0.25, 7 min left"
    }
    assert road.call("evaluate", run.config, check=False) == 2
    assert "is being worked on by all" in capsys.readouterr().err


def test_a_process_of_another_boot_with_the_same_number_is_not_taken_for_the_run(
    instantiate, capsys
):
    (run,) = instantiate(ORACLE)
    other = {**this_process(os.getpid()), "boot": "another"}
    write_json(status_path(run), {"command": "all", "state": "running", **other})
    assert "all was killed" in status(capsys, run.config)["run0"]
    road.call("evaluate", run.config)
    assert status(capsys, run.config) == {"run0": "evaluate finished"}


@needs_tsp
def test_tsp_gets_labelled_jobs_once_and_the_cache_first(
    instantiate, tmp_path, queue, capsys, monkeypatch
):
    runs = instantiate(SWEEP, ORACLE, "train.num_epochs = 1")
    blocker = tsp(queue, "tail", "-f", "/dev/null")
    first = run_sh(tmp_path, "--gpus", "0", **queue)
    assert first.returncode == 0, first.stderr
    assert "4 queued" in first.stdout
    assert "0 queued" in run_sh(tmp_path, "--gpus", "0", **queue).stdout
    listing = tsp(queue)
    assert listing.count("[out/run0:seed:0:cache]") == 1
    assert all(listing.count(f"[{run.label}]") == 1 for run in runs)
    for name, value in queue.items():
        monkeypatch.setenv(name, value)
    assert set(status(capsys, tmp_path / "out").values()) == {"queued"}
    tsp(queue, "-k", blocker)
    for number in range(1, 6):
        assert (
            subprocess.run(["tsp", "-w", str(number)], env={**os.environ, **queue}).returncode == 0
        )
    assert all("finished" in text for text in status(capsys, tmp_path / "out").values())
    again = run_sh(tmp_path, "--gpus", "0", **queue)
    assert "4 finished already" in again.stdout
    assert "0 queued" in again.stdout


def test_a_sweep_over_the_data_fills_a_cache_for_each(instantiate, tmp_path):
    instantiate(
        "sweep.parameters = {'CACHE_ROOT': ['a', 'b'], 'train.seed': [0, 1]}",
    )
    lines = (tmp_path / "out/run.sh").read_text().splitlines()
    calls = [line.split()[0] for line in lines if line.startswith(("run ", "fill "))]
    assert calls == ["fill", "run", "run", "fill", "run", "run"]
