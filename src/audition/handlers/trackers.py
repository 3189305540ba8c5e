"""Handlers that also send a training to a tracker: MLflow, Weights & Biases or ClearML.

Each uses ignite's own logger and sends what TensorBoard gets: every scalar, the point of the sweep
as parameters and, at the end, the best loss. The tracker's run is called `<experiment>/<run>` and
ends with the training, as finished or as failed. After a resume there is another run of the same
name, whose steps continue from the first.

The packages are optional: each is imported by its handler, when a training begins.
"""

import contextlib
import importlib
import logging
import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import gin
from ignite.handlers import ClearMLLogger, MLflowLogger, WandBLogger

from audition.errors import ConfigError, sentence
from audition.runs.folder import sweep_point
from audition.training import Training, checkpoints

log = logging.getLogger(__name__)

# MLflow's ten writer threads interfere with each other, and its file store then drops values. One
# thread is enough, since it sends everything from one second in one request.
MLFLOW_WRITER = {
    "MLFLOW_ASYNC_LOGGING_THREADPOOL_SIZE": "1",
    "MLFLOW_ASYNC_LOGGING_BUFFERING_SECONDS": "1",
}


@gin.register
def add_mlflow_logger(
    training: Training,
    tracking_uri: str | None = None,
    experiment_name: str | None = None,
    **settings: Any,
) -> None:
    """Sends the training to MLflow, which writes in the background.

    Args:
        tracking_uri: server, database or folder; None uses MLFLOW_TRACKING_URI. For a folder,
            "file:…", MLflow 3 needs MLFLOW_ALLOW_FILE_STORE=true in the environment.
        experiment_name: None uses the name of the out folder.
        settings: arguments of `mlflow.start_run`, such as `tags`.

    Raises:
        ConfigError: MLflow is not installed, or refuses the settings.
    """
    for name, value in MLFLOW_WRITER.items():
        os.environ.setdefault(name, value)
    with started("add_mlflow_logger", "mlflow") as mlflow:
        if tracking_uri is not None:
            mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_experiment(experiment_name or training.run.experiment)
        mlflow.start_run(run_name=training.run.label, **settings)
        logger = MLflowLogger()

        def end(failed):
            logger.flush_async_logging()
            logger.end_run("FAILED" if failed else "FINISHED")

        end_with(training, "add_mlflow_logger", end)
        logger.log_params(sweep_point(training.run))

    def log_scalar(name, value, step):
        logger.log_metrics({name: value}, step=step, synchronous=False)

    training.scalar_logs.append(log_scalar)


@gin.register
def add_wandb_logger(training: Training, project: str | None = None, **settings: Any) -> None:
    """Sends the training to Weights & Biases, which keeps its files in the run's `logs`.

    Args:
        project: None uses WANDB_PROJECT.
        settings: arguments of `wandb.init`, such as `entity`, `group` and `tags`.

    Raises:
        ConfigError: wandb is not installed, or refuses the settings.
    """
    with started("add_wandb_logger", "wandb"):
        own = {"name": training.run.label, "dir": str(training.run.logs)}
        config = sweep_point(training.run)
        logger = WandBLogger(project=project, config=config, **{**own, **settings})
        end_with(training, "add_wandb_logger", lambda failed: logger.finish(exit_code=int(failed)))

    def log_scalar(name, value, step):
        logger.log({name: value}, step=step)

    training.scalar_logs.append(log_scalar)


@gin.register
def add_clearml_logger(training: Training, project_name: str, **settings: Any) -> None:
    """Sends the training to ClearML, as a task of its own.

    Args:
        project_name: a project of ClearML.
        settings: arguments of `clearml.Task.init`, such as `tags` and `output_uri`.

    Raises:
        ConfigError: clearml is not installed, or refuses the settings.
    """
    with started("add_clearml_logger", "clearml"):
        # otherwise it would take over an older task of that name, and capture TensorBoard's curves
        own = {"reuse_last_task_id": False, "auto_connect_frameworks": False}
        names = {"project_name": project_name, "task_name": training.run.label}
        logger = ClearMLLogger(**{**names, **own, **settings})
        task = logger.get_task()

        def end(failed):
            if failed:
                task.mark_failed()
            logger.close()

        end_with(training, "add_clearml_logger", end)
        task.connect(sweep_point(training.run))

    def log_scalar(name, value, step):
        title, _, series = name.rpartition("/")
        logger.report_scalar(title or series, series, value, step)

    training.scalar_logs.append(log_scalar)


@contextlib.contextmanager
def started(handler: str, package: str) -> Iterator[ModuleType]:
    """Imports an optional package, and explains in one sentence why a tracker doesn't start.

    Random states are restored, since ClearML seeds all generators when it starts.
    """
    try:
        with checkpoints.random_states_kept():
            yield importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{handler} needs the package {package} ({error}): pip install {package}, or remove "
            "the handler from train.handlers."
        ) from error
    except Exception as error:  # each tracker fails in its own ways
        reason = sentence(error) if str(error) else type(error).__name__
        raise ConfigError(
            f"{handler} can't start ({reason}): correct its settings, or remove it from "
            "train.handlers."
        ) from error


def end_with(training: Training, handler: str, end: Callable[[bool], None]) -> None:
    """Calls `end(failed)` when the training ends; a tracker that is gone by then does no harm."""

    def exit(kind, error, trace):
        try:
            end(kind is not None)
        except Exception as problem:
            log.warning("%s could not end the tracker's run (%s).", handler, problem)

    training.exits.push(exit)
