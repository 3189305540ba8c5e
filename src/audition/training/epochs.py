"""What every training does around its epochs: sums, validation, table, progress, checkpoints."""

import datetime
import functools
import logging
import math
import time
from contextlib import suppress

import numpy as np
import torch
from ignite.engine import CallableEventWithFilter, Engine, Events
from ignite.handlers import ProgressBar, Timer
from torch.utils.data import DataLoader

from audition import interruption
from audition.errors import ConfigError
from audition.files import write_json
from audition.progress import Progress
from audition.runs.costs import record_training
from audition.runs.memory import PeakMemory
from audition.training import checkpoints
from audition.training.finite import diverged
from audition.training.state import Training, TrainingEvents

log = logging.getLogger(__name__)

SECONDS_BETWEEN_REDRAWS = 0.1
HEADING = " epoch |  train loss |    val loss |       lr | seconds | waiting for data"


def attach_bookkeeping(training: Training, val_loader: DataLoader | None) -> None:
    """Sums up the losses, and after each epoch validates, if it can, and extends the history.

    The user's handlers are attached after this, so they find `training.history` up to date.

    Args:
        training: Training.
        val_loader: batches of the validation excerpts, or None.
    """
    trainer = training.trainer
    trainer.add_event_handler(Events.STARTED, start_clock, training)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, add_to_sums, training)
    training.bars = [bar("train", "iteration"), bar("validate", "batch")]
    training.bars[0].attach(
        trainer, event_name=now_and_then(), output_transform=lambda output: rates(training)
    )
    if training.validator is not None:
        training.bars[1].attach(training.validator, event_name=now_and_then())
        training.validate = functools.partial(validate, training.validator, val_loader)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, close_epoch, training)


def bar(name: str, unit: str) -> ProgressBar:
    ignite_bar = ProgressBar(persist=False, desc=name, unit=unit)
    ignite_bar.pbar_cls = Progress
    return ignite_bar


def now_and_then() -> CallableEventWithFilter:
    """The end of an iteration, if the bar was last redrawn a while ago: to draw takes half a millisecond."""
    last = -math.inf

    def is_due(engine: Engine, event: int) -> bool:
        nonlocal last
        due = time.monotonic() >= last + SECONDS_BETWEEN_REDRAWS
        last = time.monotonic() if due else last
        return due

    return Events.ITERATION_COMPLETED(event_filter=is_due)


def close_bars(training: Training) -> None:
    """Clears the bars that an error left open, so that its message gets a line of its own."""
    for bar in training.bars:
        if bar.pbar is not None:
            bar.pbar.close()


def start_clock(engine: Engine, training: Training) -> None:
    training.began = datetime.datetime.now()
    training.first_iteration = engine.state.iteration


def add_to_sums(engine: Engine, training: Training) -> None:
    """Adds the losses of an iteration, once they are known."""
    iteration, losses = engine.state.iteration, engine.state.output
    training.arrivals.deliver(before=iteration)  # unless the step did it, as one's own may not
    if training.skipped_in_row:  # the last of them is this iteration
        return

    def add(numbers: np.ndarray) -> None:
        training.last_losses = dict(zip(losses, numbers.tolist(), strict=True))
        for name, value in training.last_losses.items():
            training.sums[name] = training.sums.get(name, 0.0) + value
            training.send_scalar(f"iteration/{name}", value, iteration)

    training.when_known(stacked(losses), add)


def stacked(losses: dict[str, torch.Tensor | float]) -> torch.Tensor:
    """In one tensor, for one transfer; a step of one's own may give floats."""
    return torch.stack([torch.as_tensor(value) for value in losses.values()])


def rates(training: Training) -> dict[str, float]:
    """What the progress bar shows."""
    state = training.trainer.state
    elapsed = (datetime.datetime.now() - training.began).total_seconds()
    excerpts = (state.iteration - training.first_iteration) * len(state.batch["index"])
    known = {"loss": training.last_losses["loss"]} if training.last_losses else {}
    return {**known, "items/s": excerpts / max(elapsed, 1e-6)}


def close_epoch(engine: Engine, training: Training) -> None:
    """Validates, and puts the epoch's mean losses into the history.

    Nothing has changed yet where the validation is interrupted: `finish_epoch` does it again.
    """
    training.arrivals.deliver()
    validation = {}
    if training.validate is not None:
        with suppress(interruption.Interrupted), checkpoints.random_states_kept():
            validation = training.validate()
        stop_if_asked(engine, training)
    iterations = (engine.state.iteration - 1) % engine.state.epoch_length + 1
    count = iterations - training.skipped_in_epoch
    if count == 0:
        raise ConfigError(
            f"all {iterations} iterations of epoch {engine.state.epoch} were left "
            "out, as none was finite; replay names the item and the layer."
        )
    for name, total in training.sums.items():
        put(training, f"train/{name}", total / count)
    training.sums, training.skipped_in_epoch = {}, 0
    for name, value in validation.items():
        if not math.isfinite(value):
            raise diverged(training, f"validation/{name}", value, engine.state.iteration)
        put(training, f"validation/{name}", value)
    engine.fire_event(TrainingEvents.VALIDATION_COMPLETED)


def put(training: Training, name: str, value: float) -> None:
    training.history.setdefault(name, []).append(value)
    training.log_scalar(name, value)


def validate(validator: Engine, loader: DataLoader) -> dict[str, float]:
    """Mean of each validation loss over all excerpts, whatever the size of the last batch."""
    losses, sizes = [], []

    def add(engine):
        interruption.check()
        sizes.append(len(engine.state.batch["index"]))
        losses.append(engine.state.output)

    with validator.add_event_handler(Events.ITERATION_COMPLETED, add):
        validator.run(loader)
    totals = dict.fromkeys(losses[0], 0.0)
    rows = torch.stack([stacked(one) for one in losses]).tolist()  # one transfer for all
    for row, size in zip(rows, sizes, strict=True):
        for name, value in zip(totals, row, strict=True):
            totals[name] += value * size
    return {name: total / sum(sizes) for name, total in totals.items()}


def attach_reports(training: Training) -> None:
    """After each epoch, logs a line of the table and writes `progress.json`, for `sweep_status`,
    and the training's part of `cost.json`."""
    clock, memory = Timer(), PeakMemory()  # measure from now on
    timer = Timer(average=False)
    timer.attach(
        training.trainer,
        start=Events.EPOCH_STARTED,
        pause=Events.GET_BATCH_COMPLETED,
        resume=Events.GET_BATCH_STARTED,
    )
    training.trainer.add_event_handler(Events.STARTED, lambda engine: log.info(HEADING))
    training.trainer.add_event_handler(
        Events.EPOCH_COMPLETED, report, training, timer, clock, memory
    )


def report(
    engine: Engine, training: Training, timer: Timer, clock: Timer, memory: PeakMemory
) -> None:
    seconds = engine.state.times[Events.EPOCH_COMPLETED.name] or clock.value()  # of `finish_epoch`
    rate = training.optimizer.param_groups[0]["lr"]
    waiting = 100 * timer.value() / seconds
    training.log_scalar("learning_rate", rate)
    training.log_scalar("seconds_per_epoch", seconds)
    training.log_scalar("percent_waiting_for_data", waiting)
    val_loss = training.history.get("validation/loss", [math.nan])[-1]
    log.info(
        f"{engine.state.epoch:>6} | {training.history['train/loss'][-1]:>11.5g} | "
        f"{val_loss:>11.5g} | {rate:>8.3g} | {seconds:>7.1f} | {waiting:>5.1f} %"
        + ("  best so far" if training.monitored() < training.best else "")
    )
    progress = {
        "epoch": engine.state.epoch,
        "num_epochs": engine.state.max_epochs,
        "loss": training.monitored(),
        "seconds_per_epoch": seconds,
    }
    write_json(training.run.progress, progress)
    record_training(training.run, engine.state.epoch, clock.value(), memory.measure())
    clock.reset()


def attach_saving(
    training: Training, every_iterations: int | None = None, every_epochs: int | None = None
) -> None:
    """Writes checkpoints; attach this last, so that they include what all other handlers did.

    Args:
        training: Training.
        every_iterations: also write `latest.pth` this often within an epoch; None: only at its end.
        every_epochs: keep an `epoch<N>.model.pth` this often; None keeps none.
    """
    trainer = training.trainer
    trainer.add_event_handler(Events.EPOCH_COMPLETED, save_epoch, training, every_epochs)
    if every_iterations is not None:
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED(every=every_iterations), save_within, training
        )
    # not by Engine.interrupt, since the validation's engine has to stop, too
    trainer.add_event_handler(Events.ITERATION_COMPLETED, stop_if_asked, training)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, interruption.check)


def is_unfinished(training: Training) -> bool:
    """Whether the last epoch was left after its last iteration: only its end is missing."""
    at = training.trainer.state
    return bool(training.sums) and (training.stopped or at.iteration % at.epoch_length == 0)


def finish_epoch(training: Training) -> None:
    at = training.trainer.state
    at.epoch = math.ceil(at.iteration / at.epoch_length)
    at.times[Events.EPOCH_COMPLETED.name] = None  # is that of the epoch before
    training.trainer.fire_event(Events.EPOCH_COMPLETED)


def save_epoch(engine: Engine, training: Training, every_epochs: int | None) -> None:
    """best, then latest: a training killed in between repeats the epoch and writes best again."""
    run = training.run
    metadata = {**training.metadata, "trainer.state.epoch_history": training.history}
    if training.monitored() < training.best:
        training.best = training.monitored()
        checkpoints.save_model(training.judged, metadata, run.best_model)
    if every_epochs is not None and engine.state.epoch % every_epochs == 0:
        path = run.epoch_model(engine.state.epoch)
        checkpoints.save_model(training.judged, metadata, path)
    checkpoints.save_model(training.judged, metadata, run.latest_model)
    checkpoints.save(training, run)


def stop_if_asked(engine: Engine, training: Training) -> None:
    if interruption.asked():
        checkpoints.save(training, training.run)
        interruption.check()


def save_within(engine: Engine, training: Training) -> None:
    if engine.state.iteration % engine.state.epoch_length:
        checkpoints.save(training, training.run)
