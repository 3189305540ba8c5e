"""Trackers: MLflow's file store for real, the others by stand-ins that note what they are sent.

With MLFLOW_PROGRAM=<environment with all of MLflow>/bin/mlflow, a server of MLflow as well.
"""

import ast
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import ModuleType, SimpleNamespace
from urllib.request import urlopen

import gin
import pytest
import torch
from ignite.engine import Events

from audition.files import read_json, write_json
from tests.support import road
from tests.support.training import EXPLODING, QUICK, assert_same, events, state, told

SOURCE = road.ROOT / "src"
SWEEP = "sweep.parameters = {'torch.optim.Adam.lr': [2e-3]}"
MLFLOW = "train.handlers = [@add_mlflow_logger, @add_autoclip_gradient_handler]"
MODEL_AND_CONFIG = ["best.model.pth", "config.gin"]
CARD = ["report_card.csv", "report_card.txt"]


@gin.register
def add_interrupt(training):
    """Ctrl-C in the second iteration."""

    def interrupt(engine):
        signal.raise_signal(signal.SIGINT)

    training.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=2), interrupt)


def check_parameters(parameters):
    """They are the whole config, spelled as there: the sweep's point, scopes, macros, references."""
    expected = {
        "torch.optim.Adam.lr": 2e-3,
        "train/build_dataset.dataset": "@train/WHAM()",
        "build_dataset.cache_root": "%CACHE_ROOT",
        "SOURCES": "['s1', 's2']",
        "train.val_data": "@val/build_dataset()",
        "train.num_epochs": 2,
    }
    sent = {name: parameters.get(name) for name in expected}
    assert {name: str(value) for name, value in sent.items()} == {
        name: str(value) for name, value in expected.items()
    }
    assert "Adam.lr" not in parameters


def means(run):
    """What a tracker should have of the test set, by the report card's own table."""
    from audition.reports.report_card import overall_means, score_table

    return {f"test/{name}": mean for name, mean in overall_means(score_table(run)).items()}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Binding of a file store of MLflow in the test's folder; nothing leaves this machine."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow  # now that it finds these

    yield f"add_mlflow_logger.tracking_uri = '{(tmp_path / 'mlruns').as_uri()}'"
    mlflow.set_tracking_uri(None)


def mlflow_runs(store):
    """Runs in the store, oldest first, each with its `history(name)`: dict, iteration → value."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store.split("'")[1])
    experiments = [one.experiment_id for one in client.search_experiments()]
    found = client.search_runs(experiments, order_by=["attributes.start_time ASC"])
    for run in found:
        run.history = lambda name, run=run: {
            entry.step: entry.value for entry in client.get_metric_history(run.info.run_id, name)
        }
        run.files = sorted(one.path for one in client.list_artifacts(run.info.run_id))
    return found


def shown(run, name):
    """The same from TensorBoard."""
    return {event.step: event.value for event in events(run).Scalars(name)}


def test_mlflow_gets_what_tensorboard_gets(instantiate, store):
    (run,) = instantiate(
        "train.num_epochs = 2", SWEEP, MLFLOW, store,
        "add_mlflow_logger.experiment_name = 'voices'", "add_mlflow_logger.tags = {'who': 'me'}",
    )  # fmt: skip
    road.call("train", run.config)
    (sent,) = mlflow_runs(store)
    assert (sent.info.run_name, sent.info.status) == (run.label, "FINISHED")
    check_parameters(sent.data.params)
    assert sent.files == MODEL_AND_CONFIG
    assert sent.data.tags["who"] == "me"
    names = events(run).Tags()["scalars"]
    assert {"iteration/loss", "grad_norm", "grad_clip", "learning_rate"} < set(names)
    assert sorted(sent.data.metrics) == sorted(names)
    for name in names:
        assert sent.history(name) == pytest.approx(shown(run, name)), name
    history = state(run)["history"]["validation/loss"]
    assert sent.history("validation/loss") == dict(zip((3, 6), history, strict=True))
    assert sent.data.metrics["best/validation/loss"] == min(history)


def test_mlflow_has_one_writer(instantiate, store, monkeypatch):
    """Two at once trip over each other in a file store: the second to make a folder loses its value."""
    from mlflow.store.tracking.file_store import FileStore

    writers = []
    log_batch = FileStore.log_batch

    def noted(self, run_id, metrics, params, tags):
        if metrics:
            writers.append(threading.get_ident())
        log_batch(self, run_id, metrics, params, tags)

    monkeypatch.setattr(FileStore, "log_batch", noted)
    (run,) = instantiate("train.num_epochs = 2", MLFLOW, store)
    road.call("train", run.config)
    assert len(set(writers)) == 1


def test_mlflow_gets_a_config_of_any_size(instantiate, store):
    """It takes 100 parameters in one request, and only some characters in their names."""
    many = [f"A{number} = {number}" for number in range(200)]
    (run,) = instantiate(*QUICK, MLFLOW, store, *many)
    road.call("train", run.config)
    (sent,) = mlflow_runs(store)
    assert {f"A{number}" for number in range(200)} < set(sent.data.params)


def test_mlflow_gets_test_scores_and_the_card_of_a_training_that_was_tried_again(
    instantiate, store, capsys
):
    (run,) = instantiate("train.num_epochs = 1", MLFLOW, store, "analyze.notes = 'seen'")
    road.call("all", run.config)
    (sent,) = mlflow_runs(store)
    assert sent.info.status == "FINISHED"
    assert sent.files == sorted([*MODEL_AND_CONFIG, *CARD])
    assert {name: sent.data.metrics[name] for name in means(run)} == pytest.approx(means(run))
    road.call("resume", run.config, "train.num_epochs = 2")
    first, second = mlflow_runs(store)
    assert list(second.history("iteration/loss")) == [4, 5, 6]
    assert second.files == first.files and second.info.run_name == run.label
    assert second.data.metrics["test/SI-SDR"] != first.data.metrics["test/SI-SDR"]
    assert list(first.history("test/SI-SDR")) == [0]


def test_scores_are_sent_once(instantiate, store):
    from mlflow.tracking import MlflowClient

    (run,) = instantiate(*QUICK, "train.handlers = [@add_mlflow_logger]", store)
    for command in ("train", "evaluate", "evaluate", "resume"):  # which has nothing to train
        road.call(command, run.config)
    (sent,) = mlflow_runs(store)
    client = MlflowClient(store.split("'")[1])
    assert len(client.get_metric_history(sent.info.run_id, "test/SI-SDR")) == 1
    assert sent.info.status == "FINISHED"


def test_mlflow_hears_of_ctrl_c_and_of_a_training_that_could_not_say_it_was_killed(
    instantiate, store
):
    from mlflow.tracking import MlflowClient

    (run,) = instantiate("train.num_epochs = 1", store, "train.handlers = [@add_mlflow_logger]")
    interrupted = "train.handlers = [@add_mlflow_logger, @add_interrupt]"
    assert road.call("train", run.config, interrupted, check=False) == 130
    (killed,) = mlflow_runs(store)
    assert killed.info.status == "KILLED" and killed.files == ["config.gin"]
    # as kill -9 leaves it
    MlflowClient(store.split("'")[1]).update_run(killed.info.run_id, status="RUNNING")
    about = read_json(run.trackers)
    del about["mlflow"]["outcome"]
    write_json(run.trackers, about)
    road.call("resume", run.config, "resume.allow = ['train.handlers']")
    assert [one.info.status for one in mlflow_runs(store)] == ["KILLED", "FINISHED"]


def test_a_refused_training_leaves_no_run_in_a_tracker(instantiate, store, capsys):
    (run,) = instantiate("train.num_epochs = 1", MLFLOW, store)
    road.call("train", run.config)
    told(capsys, "resume", run.config, "train.num_epochs = 2", "train.epoch_length = 7")
    assert len(mlflow_runs(store)) == 1


def test_a_training_that_explodes_ends_its_run(instantiate, store, capsys):
    (run,) = instantiate(*QUICK, "train.handlers = [@add_mlflow_logger]", store)
    told(capsys, "train", run.config, *EXPLODING)
    (sent,) = mlflow_runs(store)
    assert sent.info.status == "FAILED"
    assert list(sent.history("iteration/loss")) == [1]


def test_a_store_that_mlflow_refuses_is_told(instantiate, store, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    (run,) = instantiate(*QUICK, MLFLOW, store)
    line = told(capsys, "train", run.config)
    assert "add_mlflow_logger can't start" in line and "MLFLOW_ALLOW_FILE_STORE=true" in line


@pytest.mark.parametrize("package", ["mlflow", "wandb", "clearml"])
def test_a_tracker_that_is_not_installed_is_told(instantiate, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    (run,) = instantiate(
        f"train.handlers = [@add_{package}_logger]", "add_clearml_logger.project_name = 'voices'"
    )
    line = told(capsys, "train", run.config)
    assert f"add_{package}_logger needs the package {package}" in line
    assert f"pip install {package}, or remove the handler from train.handlers" in line
    assert not run.checkpoints.exists()


def imported_at_the_top(path):
    """First parts of the names of the packages that importing a module imports."""
    waiting = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]
        elif not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def test_trackers_are_imported_only_when_named():
    imported = {name for path in SOURCE.rglob("*.py") for name in imported_at_the_top(path)}
    assert "ignite" in imported
    assert not {"mlflow", "wandb", "clearml"} & imported


SERVER = os.environ.get("MLFLOW_PROGRAM")


@pytest.fixture
def server(tmp_path, store):
    """Binding of a server of MLflow with a database, on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = ["--backend-store-uri", "sqlite:///runs.db"]
    words = [SERVER, "server", "--port", str(port), "--workers", "1", *database]
    quick = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(words, cwd=tmp_path, env=quick, stderr=subprocess.DEVNULL) as process:
        for _ in range(120):
            with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health"):
                break
            time.sleep(0.5)
        yield f"add_mlflow_logger.tracking_uri = 'http://127.0.0.1:{port}'"
        process.terminate()


@pytest.mark.skipif(
    not SERVER, reason="MLFLOW_PROGRAM names no mlflow of an environment with all of it"
)
def test_a_server_of_mlflow_gets_the_same(instantiate, server):
    (run,) = instantiate("train.num_epochs = 2", SWEEP, MLFLOW, server)
    road.call("all", run.config)
    (sent,) = mlflow_runs(server)
    assert (sent.info.run_name, sent.info.status) == (run.label, "FINISHED")
    check_parameters(sent.data.params)
    assert sent.files == sorted([*MODEL_AND_CONFIG, *CARD])
    for name in events(run).Tags()["scalars"]:
        assert sent.history(name) == pytest.approx(shown(run, name)), name
    assert {name: sent.data.metrics[name] for name in means(run)} == pytest.approx(means(run))


# stand-ins -----------------------------------------------------------------------


class Notes:
    """Stands in for a module or an object of it: notes the calls, with their settings."""

    def __init__(self, **attributes):
        self.calls = []
        vars(self).update(attributes)

    def __getattr__(self, name):
        def call(*words, **settings):
            self.calls.append((name, words, settings))

        return call

    def named(self, name):
        return [(words, settings) for called, words, settings in self.calls if called == name]


@pytest.fixture
def wandb(monkeypatch):
    """Stands in for W&B: its last run, and the settings of each start."""
    module = SimpleNamespace(started=[], run=None)

    def init(**settings):
        module.started.append(settings)
        module.run = Notes(id="1a2b", entity="lab", project="voices", config={}, summary={})
        return module.run

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def files_of(wandb):
    return sorted(path.rpartition("/")[2] for (path,), _ in wandb.run.named("log_artifact"))


def test_wandb_gets_what_tensorboard_gets_and_what_evaluate_finds(instantiate, wandb):
    (run,) = instantiate(
        "train.num_epochs = 2", SWEEP, "train.handlers = [@add_wandb_logger]",
        "add_wandb_logger.project = 'voices'", "add_wandb_logger.entity = 'lab'",
    )  # fmt: skip
    road.call("train", run.config)
    assert wandb.started == [
        {"project": "voices", "entity": "lab", "name": run.label, "dir": str(run.logs)}
    ]
    check_parameters(wandb.run.config)
    sent = [
        (name, settings["step"], value)
        for (numbers,), settings in wandb.run.named("log")
        for name, value in numbers.items()
    ]
    check_sent(run, sent)
    assert files_of(wandb) == MODEL_AND_CONFIG
    assert wandb.run.calls[-1] == ("finish", (), {"exit_code": 0})

    road.call("evaluate", run.config)
    again = {"id": "1a2b", "entity": "lab", "project": "voices", "resume": "allow"}
    assert wandb.started[1:] == [{**again, "dir": str(run.logs)}]
    assert wandb.run.summary == means(run)
    assert files_of(wandb) == CARD
    assert wandb.run.calls[-1] == ("finish", (), {"exit_code": 0})


@pytest.fixture
def clearml(monkeypatch):
    """Stands in for ClearML: its task and logger, and the settings of each start."""
    logger = Notes()
    task = Notes(id="3c4d", get_logger=lambda: logger)
    found = SimpleNamespace(task=task, logger=logger, started=[], asked=[])

    def init(**settings):
        torch.manual_seed(1337)  # as ClearML does
        found.started.append(settings)
        return found.task

    def get_task(**settings):
        found.asked.append(settings)
        return found.task

    kinds = SimpleNamespace(training="training")
    task = SimpleNamespace(current_task=lambda: None, TaskTypes=kinds, init=init, get_task=get_task)
    helper = "clearml.binding.frameworks.tensorflow_bind"
    contents = {"clearml": {"Task": task}, helper: {"WeightsGradientHistHelper": lambda **_: None}}
    for name in ("clearml", "clearml.binding", "clearml.binding.frameworks", helper):
        module = ModuleType(name)
        vars(module).update(contents.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    return found


CLEARML = ("train.handlers = [@add_clearml_logger]", "add_clearml_logger.project_name = 'voices'")


def test_clearml_gets_what_tensorboard_gets_and_what_evaluate_finds(instantiate, clearml):
    (run,) = instantiate("train.num_epochs = 2", SWEEP, *CLEARML, "add_clearml_logger.tags = ['a']")
    road.call("train", run.config)
    (settings,) = clearml.started
    assert (settings["project_name"], settings["task_name"]) == ("voices", run.label)
    assert settings["tags"] == ["a"] and settings["reuse_last_task_id"] is False
    (((parameters,), _),) = clearml.task.named("connect")
    check_parameters(parameters)
    sent = [
        (series if title == series else f"{title}/{series}", step, value)
        for (title, series, value, step), _ in clearml.logger.named("report_scalar")
    ]
    check_sent(run, sent)
    assert (
        sorted(name for (name, _), _ in clearml.task.named("upload_artifact")) == MODEL_AND_CONFIG
    )
    assert clearml.task.calls[-1][0] == "close"

    clearml.task.calls.clear()
    road.call("evaluate", run.config)
    assert clearml.asked == [{"task_id": "3c4d"}]
    assert dict(words for words, _ in clearml.logger.named("report_single_value")) == means(run)
    names = [name for name, *_ in clearml.task.calls]
    assert names == ["mark_started", *2 * ["upload_artifact"], "flush", "mark_completed"]


def test_a_tracker_that_seeds_the_generators_changes_nothing(instantiate, clearml):
    instantiate("train.num_epochs = 1", "train.handlers = []")
    runs = instantiate("train.num_epochs = 1", *CLEARML)
    for run in runs:
        road.call("train", run.config)
    assert_same(state(runs[0]), state(runs[1]))


BOTH = (*QUICK, *CLEARML, "train.handlers = [@add_clearml_logger, @add_wandb_logger]")


def test_wandb_and_clearml_hear_that_a_training_failed(instantiate, clearml, wandb, capsys):
    (run,) = instantiate(*BOTH)
    told(capsys, "train", run.config, *EXPLODING)
    names = [name for name, *_ in clearml.task.calls]
    assert names == ["connect", "upload_artifact", "mark_failed", "close"]
    assert files_of(wandb) == ["config.gin"]
    assert wandb.run.calls[-1] == ("finish", (), {"exit_code": 1})


def test_wandb_and_clearml_hear_of_ctrl_c(instantiate, clearml, wandb):
    (run,) = instantiate(*BOTH, "train.epoch_length = 3")
    interrupted = "train.handlers = [@add_clearml_logger, @add_wandb_logger, @add_interrupt]"
    assert road.call("train", run.config, interrupted, check=False) == 130
    assert [name for name, *_ in clearml.task.calls][-2:] == ["mark_stopped", "close"]
    assert wandb.run.calls[-1] == ("finish", (), {"exit_code": 255})


def test_a_tracker_that_is_gone_loses_nothing_and_is_tried_again(instantiate, wandb, monkeypatch):
    def gone(**settings):
        raise ConnectionError("no route to host")

    (run,) = instantiate(*QUICK, "train.handlers = [@add_wandb_logger]")
    with monkeypatch.context() as patched:
        patched.setattr(Notes, "finish", lambda self, exit_code: gone(), raising=False)
        road.call("train", run.config)
    assert "add_wandb_logger could not end the tracker's run (no route" in journal(run, "train")
    assert state(run)["iteration"] == 3
    with monkeypatch.context() as patched:
        patched.setattr(wandb, "init", gone)
        road.call("evaluate", run.config)
    assert "wandb could not be sent the test scores; analyze tries again (no" in journal(
        run, "evaluate"
    )
    road.call("analyze", run.config)
    assert wandb.run.summary == means(run)
    assert wandb.run.calls[-1] == ("finish", (), {"exit_code": 0})


def test_a_damaged_record_of_trackers_stops_nothing(instantiate, wandb):
    (run,) = instantiate(*QUICK, "train.handlers = [@add_wandb_logger]")
    road.call("train", run.config)
    run.trackers.write_text('{"wandb": ')
    road.call("evaluate", run.config)
    assert "trackers.json is damaged" in journal(run, "evaluate")


def journal(run, command):
    (path,) = run.logs.glob(f"*.{command}.log")
    return path.read_text()


def check_sent(run, sent):
    """A tracker got each scalar of TensorBoard, once, at its iteration."""
    names = events(run).Tags()["scalars"]
    expected = {(name, step): value for name in names for step, value in shown(run, name).items()}
    assert len(sent) == len(expected)
    assert {(name, step): value for name, step, value in sent} == pytest.approx(expected)
    assert ("best/validation/loss", 6) in expected
