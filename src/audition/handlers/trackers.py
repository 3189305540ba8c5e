"""Handlers that also send a training to a tracker: MLflow, Weights & Biases or ClearML.

Each sends what TensorBoard gets, every scalar; all bindings as parameters; and, once trained, the
compiled config and the best model as artifacts. The tracker's run is called `<experiment>/<run>`
and ends with the training, as finished, failed or killed. Its id stays in the run folder: there
`evaluate` and `analyze` find it, and add the scores of the test set and the report card. Training
on after a resume makes another run of the same name, whose steps continue from the first.

The packages are optional: each is imported when a training begins that names its handler.
"""

import contextlib
import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gin
from ignite.engine import Events

from audition.configs.spelled import parameters
from audition.errors import ConfigError, sentence
from audition.files import read_record, write_json
from audition.handlers.tracker_runs import KINDS, Outcome
from audition.identity import fingerprint
from audition.runs.folder import Run, sweep_point
from audition.training import Training, checkpoints, only_watches

log = logging.getLogger(__name__)


@gin.register
@only_watches
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
    experiment = experiment_name or training.run.experiment
    own = {"tracking_uri": tracking_uri, "experiment_name": experiment}
    track(training, "mlflow", {**own, "run_name": training.run.label, **settings})


@gin.register
@only_watches
def add_wandb_logger(training: Training, project: str | None = None, **settings: Any) -> None:
    """Sends the training to Weights & Biases, which keeps its files in the run's `logs`.

    Args:
        project: None uses WANDB_PROJECT.
        settings: arguments of `wandb.init`, such as `entity`, `group` and `tags`.

    Raises:
        ConfigError: wandb is not installed, or refuses the settings.
    """
    own = {"project": project, "name": training.run.label, "dir": str(training.run.logs)}
    track(training, "wandb", {**own, **settings})


@gin.register
@only_watches
def add_clearml_logger(training: Training, project_name: str, **settings: Any) -> None:
    """Sends the training to ClearML, as a task of its own.

    Args:
        project_name: a project of ClearML.
        settings: arguments of `clearml.Task.init`, such as `tags` and `output_uri`.

    Raises:
        ConfigError: clearml is not installed, or refuses the settings.
    """
    own = {"project_name": project_name, "task_name": training.run.label}
    track(training, "clearml", {**own, **settings})


def track(training: Training, package: str, settings: dict[str, Any]) -> None:
    """Starts a run of the tracker with the first iteration, and ends it with the training."""
    run = training.run

    def begin(engine):
        end_lost_run(run, package)
        with started(package):
            tracker = KINDS[package](settings)
            remember(run, package, reference=tracker.reference)
            training.exits.push(lambda kind, *_: end(run, package, tracker, kind))
            tracker.configure(parameters(sweep_point(run)))
        training.scalar_logs.append(tracker.log)

    training.trainer.add_event_handler(Events.STARTED, begin)


@contextlib.contextmanager
def started(package: str) -> Iterator[ModuleType]:
    """Imports an optional package, and explains in one sentence why a tracker doesn't start.

    Random states are restored, since ClearML seeds all generators when it starts.
    """
    handler = f"add_{package}_logger"
    try:
        with checkpoints.random_states_kept():
            yield importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{handler} needs the package {package} ({error}): pip install {package}, or remove "
            "the handler from train.handlers."
        ) from error
    except Exception as error:  # each tracker fails in its own ways
        raise ConfigError(
            f"{handler} can't start ({reason(error)}): correct its settings, or remove it from "
            "train.handlers."
        ) from error


def end(run: Run, package: str, tracker: Any, kind: type[BaseException] | None) -> None:
    """Ends the tracker's run; a tracker that is gone by then does no harm."""
    outcome = outcome_of(kind)
    files = [run.config, run.best_model] if outcome == "finished" else [run.config]
    remember(run, package, outcome=outcome)
    with unharmed(f"add_{package}_logger could not end the tracker's run"):
        tracker.end(outcome, present(files))


def outcome_of(kind: type[BaseException] | None) -> Outcome:
    """How a training ended that left with this kind of exception; Ctrl-C is no `Exception`."""
    if kind is None:
        return "finished"
    return "failed" if issubclass(kind, Exception) else "killed"


def end_lost_run(run: Run, package: str) -> None:
    """Tells the tracker of the training before this one, if that was killed and could not."""
    about = remembered(run).get(package, {})
    if about and "outcome" not in about:
        with unharmed(f"{package} could not be told that the training before was killed"):
            KINDS[package].amend(run.logs, about["reference"], "killed", {}, [])


def send_report(run: Run, scores: dict[str, float]) -> None:
    """Adds mean scores and the report card to what trackers hold of the run's last training, unless
    they have the same already.

    Args:
        scores: name → mean; trackers call them `test/<name>`.
    """
    scores = {f"test/{name}": mean for name, mean in scores.items()}
    files = present([run.report_card_txt, run.report_card_csv])
    report = fingerprint([scores, *(path.read_text() for path in files)])
    for package, about in remembered(run).items():
        if about.get("report") == report:
            continue
        outcome = about.get("outcome", "killed")
        with (
            unharmed(f"{package} could not be sent the test scores; analyze tries again"),
            checkpoints.random_states_kept(),
        ):
            KINDS[package].amend(run.logs, about["reference"], outcome, scores, files)
            remember(run, package, report=report)


@contextlib.contextmanager
def unharmed(what: str) -> Iterator[None]:
    """Warns of what a tracker refuses, and goes on."""
    try:
        yield
    except Exception as error:  # each tracker fails in its own ways
        log.warning("%s (%s).", what, reason(error))


def reason(error: Exception) -> str:
    return sentence(error) if str(error) else type(error).__name__


def remembered(run: Run) -> dict[str, dict[str, Any]]:
    """dict, package → dict of the tracker's run of the last training: its `reference`, its `outcome`
    once it has ended, and the fingerprint of the `report` that was sent."""
    return read_record(run.trackers)


def remember(run: Run, package: str, **facts: Any) -> None:
    everything = remembered(run)
    before = {} if "reference" in facts else everything.get(package, {})
    write_json(run.trackers, {**everything, package: {**before, **facts}})


def present(files: list[Path]) -> list[Path]:
    return [path for path in files if path.is_file()]
