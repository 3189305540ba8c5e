"""Trackers: MLflow's file store for real, the others by stand-ins that note what they are sent."""

import subprocess
import sys
import threading
from types import ModuleType, SimpleNamespace

import pytest
import torch

from tests.support import road
from tests.support.training import EXPLODING, QUICK, assert_same, events, state, told

POINT = {"torch.optim.Adam.lr": "0.002"}
SWEEP = "sweep.parameters = {'torch.optim.Adam.lr': [2e-3]}"
MLFLOW = "train.handlers = [@add_mlflow_logger, @add_autoclip_gradient_handler]"


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
    assert sent.data.params == POINT
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


def test_mlflow_hears_that_a_training_failed_and_a_resume_is_a_run_of_its_own(
    instantiate, store, capsys
):
    (run,) = instantiate("train.num_epochs = 1", MLFLOW, store)
    road.call("train", run.config)
    told(capsys, "resume", run.config, "train.num_epochs = 2", "train.remix = @nothing()")
    told(capsys, "resume", run.config, "train.num_epochs = 2", "train.epoch_length = 7")
    road.call("resume", run.config, "train.num_epochs = 2")
    first, failed, resumed = mlflow_runs(store)
    assert [one.info.status for one in (first, failed, resumed)] == [
        "FINISHED",
        "FAILED",
        "FINISHED",
    ]
    assert {one.info.run_name for one in (first, failed, resumed)} == {run.label}
    assert list(resumed.history("iteration/loss")) == [4, 5, 6]


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


def test_trackers_are_imported_only_when_named():
    code = "import sys; from audition import registry; registry.register(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=road.ROOT, capture_output=True, text=True
    )
    assert "audition.handlers.trackers" in done.stdout.split()
    assert not {"mlflow", "wandb", "clearml"} & set(done.stdout.split())


# stand-ins -----------------------------------------------------------------------


class Notes:
    """Stands in for a module or an object of it: notes the calls, with their settings."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*words, **settings):
            self.calls.append((name, words, settings))

        return call

    def named(self, name):
        return [(words, settings) for called, words, settings in self.calls if called == name]


@pytest.fixture
def wandb(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", Notes())
    return sys.modules["wandb"]


def test_wandb_gets_what_tensorboard_gets(instantiate, wandb):
    (run,) = instantiate(
        "train.num_epochs = 2", SWEEP, "train.handlers = [@add_wandb_logger]",
        "add_wandb_logger.project = 'voices'", "add_wandb_logger.entity = 'lab'",
    )  # fmt: skip
    road.call("train", run.config)
    ((_, settings),) = wandb.named("init")
    assert settings == {
        "project": "voices",
        "entity": "lab",
        "name": run.label,
        "dir": str(run.logs),
        "config": {"torch.optim.Adam.lr": 2e-3},
    }
    sent = [
        (name, settings["step"], value)
        for (numbers,), settings in wandb.named("log")
        for name, value in numbers.items()
    ]
    check_sent(run, sent)
    assert wandb.calls[-1] == ("finish", (), {"exit_code": 0})


@pytest.fixture
def clearml(monkeypatch):
    """Stands in for ClearML: its task and logger, and the settings of each start."""
    found = SimpleNamespace(task=Notes(), logger=Notes(), started=[])
    found.task.get_logger = lambda: found.logger

    def init(**settings):
        torch.manual_seed(1337)  # as ClearML does
        found.started.append(settings)
        return found.task

    kinds = SimpleNamespace(training="training")
    task = SimpleNamespace(current_task=lambda: None, TaskTypes=kinds, init=init)
    helper = "clearml.binding.frameworks.tensorflow_bind"
    contents = {"clearml": {"Task": task}, helper: {"WeightsGradientHistHelper": lambda **_: None}}
    for name in ("clearml", "clearml.binding", "clearml.binding.frameworks", helper):
        module = ModuleType(name)
        vars(module).update(contents.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    return found


CLEARML = ("train.handlers = [@add_clearml_logger]", "add_clearml_logger.project_name = 'voices'")


def test_clearml_gets_what_tensorboard_gets(instantiate, clearml):
    (run,) = instantiate("train.num_epochs = 2", SWEEP, *CLEARML, "add_clearml_logger.tags = ['a']")
    road.call("train", run.config)
    (settings,) = clearml.started
    assert (settings["project_name"], settings["task_name"]) == ("voices", run.label)
    assert settings["tags"] == ["a"] and settings["reuse_last_task_id"] is False
    assert clearml.task.named("connect") == [(({"torch.optim.Adam.lr": 2e-3},), {})]
    sent = [
        (series if title == series else f"{title}/{series}", step, value)
        for (title, series, value, step), _ in clearml.logger.named("report_scalar")
    ]
    check_sent(run, sent)
    assert [name for name, *_ in clearml.task.calls] == ["connect", "close"]


def test_a_tracker_that_seeds_the_generators_changes_nothing(instantiate, clearml):
    instantiate("train.num_epochs = 1", "train.handlers = []")
    runs = instantiate("train.num_epochs = 1", *CLEARML)
    for run in runs:
        road.call("train", run.config)
    assert_same(state(runs[0]), state(runs[1]))


def test_wandb_and_clearml_hear_that_a_training_failed(instantiate, clearml, wandb, capsys):
    (run,) = instantiate(
        *QUICK, *CLEARML, "train.handlers = [@add_clearml_logger, @add_wandb_logger]"
    )
    told(capsys, "train", run.config, *EXPLODING)
    assert [name for name, *_ in clearml.task.calls][1:] == ["mark_failed", "close"]
    assert wandb.calls[-1] == ("finish", (), {"exit_code": 1})


def test_a_tracker_that_is_gone_at_the_end_loses_nothing(instantiate, wandb):
    def finish(exit_code):
        raise ConnectionError("no route to host")

    wandb.finish = finish
    (run,) = instantiate(*QUICK, "train.handlers = [@add_wandb_logger]")
    road.call("train", run.config)
    (journal,) = run.logs.glob("*.train.log")
    assert "add_wandb_logger could not end the tracker's run (no route" in journal.read_text()
    assert state(run)["iteration"] == 3


def check_sent(run, sent):
    """A tracker got each scalar of TensorBoard, once, at its iteration."""
    names = events(run).Tags()["scalars"]
    expected = {(name, step): value for name in names for step, value in shown(run, name).items()}
    assert len(sent) == len(expected)
    assert {(name, step): value for name, step, value in sent} == pytest.approx(expected)
    assert ("best/validation/loss", 6) in expected
