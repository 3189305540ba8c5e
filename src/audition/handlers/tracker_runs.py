"""A run of each tracker, behind the same few methods.

Each class starts a run when it is made, and has

    reference      JSON-able dict that finds the run again
    configure      sends the bindings
    log            sends a number
    end            sends files and ends the run
    amend          adds scores and files to a run that has ended, which keeps its outcome
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from ignite.handlers import ClearMLLogger, MLflowLogger, WandBLogger

Outcome = Literal["finished", "failed", "killed"]

# MLflow's ten writer threads interfere with each other, and its file store then drops values. One
# thread is enough, since it sends everything from one second in one request.
MLFLOW_WRITER = {
    "MLFLOW_ASYNC_LOGGING_THREADPOOL_SIZE": "1",
    "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS": "1",
}
WANDB_EXITS = {"finished": 0, "failed": 1, "killed": 255}  # the last as wandb does after Ctrl-C
ARTIFACT = "run"  # their type in W&B
MOST_PARAMS = 100  # that MLflow takes in one request


class MLflowRun:
    """A run of MLflow.

    Args:
        settings: `tracking_uri`, `experiment_name`, and arguments of `mlflow.start_run`.

    Attributes:
        reference: what `amend` needs; no tracking URI but the one that is bound, since that of the
            environment may hold a password.
    """

    def __init__(self, settings: dict[str, Any]):
        for name, value in MLFLOW_WRITER.items():
            os.environ.setdefault(name, value)
        import mlflow

        settings = dict(settings)
        uri, experiment = settings.pop("tracking_uri"), settings.pop("experiment_name")
        if uri is not None:
            mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(experiment)
        mlflow.start_run(**settings)
        self.logger = MLflowLogger()
        self.reference = {"tracking_uri": uri, "run_id": self.logger.active_run.info.run_id}

    def configure(self, parameters: dict[str, Any]) -> None:
        pairs = [(mlflow_name(name), value) for name, value in parameters.items()]
        for start in range(0, len(pairs), MOST_PARAMS):
            self.logger.log_params(dict(pairs[start : start + MOST_PARAMS]))

    def log(self, name: str, value: float, step: int) -> None:
        self.logger.log_metrics({mlflow_name(name): value}, step=step, synchronous=False)

    def end(self, outcome: Outcome, files: Iterable[Path]) -> None:
        try:
            self.logger.flush_async_logging()
            for path in files:
                self.logger.log_artifact(str(path))
        finally:
            self.logger.end_run(outcome.upper())

    @staticmethod
    def amend(
        folder: Path,
        reference: dict[str, Any],
        outcome: Outcome,
        scores: dict[str, float],
        files: Iterable[Path],
    ) -> None:
        from mlflow import MlflowClient

        client, run_id = MlflowClient(reference["tracking_uri"]), reference["run_id"]
        for name, value in scores.items():
            client.log_metric(run_id, mlflow_name(name), value)
        for path in files:
            client.log_artifact(run_id, str(path))
        if client.get_run(run_id).info.status == "RUNNING":
            client.set_terminated(run_id, outcome.upper())


def mlflow_name(name: str) -> str:
    """`name` in the characters that MLflow allows."""
    return re.sub(r"[^\w\-. /]", "_", name)


class WandBRun:
    """A run of Weights & Biases.

    Args:
        settings: arguments of `wandb.init`.
    """

    def __init__(self, settings: dict[str, Any]):
        self.run = WandBLogger(**settings).run
        self.reference = {name: getattr(self.run, name) for name in ("entity", "project", "id")}

    def configure(self, parameters: dict[str, Any]) -> None:
        self.run.config.update(parameters)

    def log(self, name: str, value: float, step: int) -> None:
        self.run.log({name: value}, step=step)

    def end(self, outcome: Outcome, files: Iterable[Path]) -> None:
        end_wandb(self.run, outcome, files)

    @staticmethod
    def amend(
        folder: Path,
        reference: dict[str, Any],
        outcome: Outcome,
        scores: dict[str, float],
        files: Iterable[Path],
    ) -> None:
        import wandb

        run = wandb.init(**reference, resume="allow", dir=str(folder))
        run.summary.update(scores)
        end_wandb(run, outcome, files)


def end_wandb(run: Any, outcome: Outcome, files: Iterable[Path]) -> None:
    try:
        for path in files:
            run.log_artifact(str(path), type=ARTIFACT)
    finally:
        run.finish(exit_code=WANDB_EXITS[outcome])


class ClearMLTask:
    """A task of ClearML.

    Args:
        settings: arguments of `clearml.Task.init`.
    """

    def __init__(self, settings: dict[str, Any]):
        # otherwise it would take over an older task of that name, and capture TensorBoard's curves
        own = {"reuse_last_task_id": False, "auto_connect_frameworks": False}
        self.logger = ClearMLLogger(**{**own, **settings})
        self.task = self.logger.get_task()
        self.reference = {"task_id": self.task.id}

    def configure(self, parameters: dict[str, Any]) -> None:
        self.task.connect(parameters)

    def log(self, name: str, value: float, step: int) -> None:
        title, _, series = name.rpartition("/")
        self.logger.report_scalar(title or series, series, value, step)

    def end(self, outcome: Outcome, files: Iterable[Path]) -> None:
        try:
            upload(self.task, files)
        finally:
            if outcome != "finished":
                end_task(self.task, outcome)
            self.logger.close()

    @staticmethod
    def amend(
        folder: Path,
        reference: dict[str, Any],
        outcome: Outcome,
        scores: dict[str, float],
        files: Iterable[Path],
    ) -> None:
        from clearml import Task

        task = Task.get_task(**reference)
        task.mark_started(force=True)  # an ended one takes nothing
        try:
            for name, value in scores.items():
                task.get_logger().report_single_value(name, value)
            upload(task, files)
            task.flush(wait_for_uploads=True)
        finally:
            end_task(task, outcome)


def upload(task: Any, files: Iterable[Path]) -> None:
    for path in files:
        task.upload_artifact(path.name, str(path), wait_on_upload=True)


def end_task(task: Any, outcome: Outcome) -> None:
    if outcome == "finished":
        task.mark_completed(force=True)
    elif outcome == "failed":
        task.mark_failed(force=True)
    else:
        task.mark_stopped(force=True)


KINDS = {"mlflow": MLflowRun, "wandb": WandBRun, "clearml": ClearMLTask}
