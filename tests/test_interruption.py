"""Signals in the middle of the work: what is in hand is finished, nothing is lost, the exit code says so."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from audition.files import read_json
from audition.runs.results import read_results
from tests.support import road
from tests.support.training import QUICK, assert_same, state

OWN = "import tests.support.signals\n"


def spawn(*words, **environment):
    """`road.spawn` in a process group of its own, as a terminal or a queue starts it."""
    return subprocess.run(
        [sys.executable, "main.py", *map(str, words)],
        cwd=road.ROOT, capture_output=True, text=True, start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(speech, tmp_path_factory):
    """Function `num_workers` → the .gin file of a training that sends signals, and its state when undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    handlers = (road.ROOT / "tests/exp/tiny.gin").read_text().split("train.handlers = [")[1]
    own = folder / "own.gin"
    own.write_text(f"{OWN}train.handlers = [{handlers.split(']')[0]}    @add_signal,\n]\n")
    own.write_text(own.read_text() + "train.num_data_workers = 2\ntrain.num_epochs = 2\n")
    (run,) = road.instantiate(speech, folder, own)
    road.call("train", run.config)
    return own, state(run)


@pytest.mark.parametrize(
    ("name", "code", "moment"),
    [
        ("SIGTERM", 75, {"AT": "2"}),
        ("SIGINT", 130, {"AT": "3"}),  # of 3 in an epoch, so that its end is left
        ("SIGUSR1", 75, {"VALIDATE_AT": "2"}),  # all iterations are done
    ],
)
def test_a_training_stops_between_iterations_and_goes_on_as_if_it_never_had(
    instantiate, trained, capsys, name, code, moment
):
    own, undisturbed = trained
    (run,) = instantiate(own)
    done = spawn("all", "-c", run.config, SIGNAL=name, **moment)
    assert (done.returncode, done.stderr.count("Traceback")) == (code, 0), done.stderr
    assert f"main.py all: interrupted by {name}; resume goes on from there." in done.stderr
    assert read_json(run.status)["state"] == "interrupted"
    iteration = int(moment.get("AT", 0)) or 3 * int(moment["VALIDATE_AT"])
    assert state(run)["iteration"] == iteration
    road.call("sweep_status", run.config)
    assert f"run0  interrupted by {name} in all; run.sh goes on" in capsys.readouterr().out
    road.call("resume", run.config)
    assert_same(state(run), undisturbed)
    assert run.report_card_txt.exists()


def test_a_second_signal_ends_at_once(instantiate, tmp_path):
    """The process sends itself the first, and then waits for the second."""
    own = tmp_path / "own.gin"
    own.write_text("import tests.support.signals\ntrain.handlers = [@add_stubborn]\n")
    (run,) = instantiate(own)
    process = subprocess.Popen(
        [sys.executable, "main.py", "train", "-c", run.config],
        cwd=road.ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert any("interrupted and stubborn" in line for line in process.stdout)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    assert process.returncode == -signal.SIGTERM
    assert not run.latest.exists()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_evaluation_finishes_the_track_in_hand(instantiate, tmp_path, num_workers):
    own = tmp_path / "own.gin"
    own.write_text(
        f"{OWN}evaluate.metrics = [@Signal()]\nSignal.compute_permutation = False\n"
        "evaluate.separator = @nussl.separation.benchmark.IdealBinaryMask()\n"
        f"evaluate.num_workers = {num_workers}\n"
    )
    (run,) = instantiate(own)
    done = spawn("evaluate", "-c", run.config, SIGNAL="SIGTERM")
    assert (done.returncode, done.stderr.count("Traceback")) == (75, 0), done.stderr
    assert 1 <= len(read_results(run.results)) < 4
    assert read_json(run.status)["state"] == "interrupted"
    again = spawn("evaluate", "-c", run.config)
    assert again.returncode == 0, again.stderr
    assert len(read_results(run.results)) == 4


def test_run_sh_stops_with_the_run_in_hand(instantiate, tmp_path):
    """Ctrl-C reaches the shell and the run."""
    own = tmp_path / "own.gin"
    own.write_text(f"{OWN}train.handlers = [@add_signal]\n")
    first, second = instantiate(own, "sweep.parameters = {'train.seed': [0, 1]}", *QUICK[1:])
    words = ["sh", tmp_path / "out/run.sh", "--here"]
    settings = {"capture_output": True, "text": True, "start_new_session": True}
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env={**environment, "SIGNAL": "SIGINT", "AT": "2"}, **settings)
    assert (done.returncode, done.stderr.count("Traceback")) == (130, 0), done.stderr
    assert "run.sh: interrupted; call it again to go on" in done.stderr
    assert (state(first)["iteration"], second.status.exists()) == (2, False)
