"""Builds a training from its settings, continues from a checkpoint, and runs to the last epoch."""

import logging
import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import nussl
import torch
from ignite.engine import Events
from torch.utils.data import DataLoader

from audition.datasets.excerpts import EpochBatches, Stage
from audition.datasets.loaders import each_item_once, make_loader, stop_workers
from audition.datasets.split import Split
from audition.datasets.waveform_cache import Inspection
from audition.datasets.waveform_cache.shelf import note_reader
from audition.device import choose_device
from audition.errors import ConfigError
from audition.features import description
from audition.interruption import postponed
from audition.losses import Losses
from audition.training import checkpoints
from audition.training.epochs import (
    attach_bookkeeping,
    attach_reports,
    attach_saving,
    close_bars,
    finish_epoch,
    is_unfinished,
)
from audition.training.network_input import check_network_input
from audition.training.optimizers import make_optimizer
from audition.training.passport import passport
from audition.training.recomputing import recompute_blocks
from audition.training.settings import Settings
from audition.training.state import Training, TrainingEvents
from audition.training.step import Forward, Step, make_engine, val_step
from audition.weights import described

log = logging.getLogger(__name__)


def attach(training: Training, settings: Settings, val_loader: DataLoader | None) -> None:
    """Attaches in an order that shows handlers the epoch's history, and saves their state, too."""
    attach_bookkeeping(training, val_loader)
    for handler in settings.handlers:
        handler(training)
    attach_reports(training)
    attach_saving(training, settings.save_every_iterations, settings.save_every_epochs)


def build(settings: Settings, writer, exits: ExitStack) -> Training:
    """The Training with its model, optimizer, engines and losses, before anything is attached."""
    device = choose_device(settings.device)
    if device.type == "cpu" and settings.mixed_precision == "float16":
        raise ConfigError(
            "train.mixed_precision = 'float16' needs a GPU, and there is none; bind 'bfloat16' or "
            "None."
        )
    model = nussl.ml.SeparationModel(settings.network).to(device)
    if settings.recompute_blocks:
        recompute_blocks(model)
    optimizer = make_optimizer(settings.optimizer, model.parameters())
    training = Training(
        run=settings.run,
        model=model,
        optimizer=optimizer,
        scaler=torch.amp.GradScaler(device.type, enabled=settings.mixed_precision == "float16"),
        losses=Losses(settings.loss_dictionary, settings.loss_combination).to(device),
        val_losses=Losses(
            settings.val_loss_dictionary or settings.loss_dictionary,
            settings.loss_combination,
            "val_loss_dictionary",
        )
        .to(device)
        .eval(),
        trainer=None,
        validator=None,
        device=device,
        train_names=settings.train_data.names,
        accumulate_batches=settings.accumulate_batches,
        skip_nonfinite=settings.skip_nonfinite,
        val_data=settings.val_data,
        metadata=model_metadata(settings),
        passport=passport(settings, optimizer),
        writer=writer,
        scalar_logs=[writer.add_scalar],
        exits=exits,
    )
    if settings.accumulate_batches > 1:
        training.losses.check_means()
    check_network_input(model, settings.features, training.metadata)
    network = torch.compile(model) if settings.compile_model else model
    forward = Forward(network, settings.features, device, settings.mixed_precision, settings.remix)
    step = Step() if settings.step is None else settings.step
    training.trainer = make_engine(lambda engine, batch: step(batch))
    training.trainer.register_events(*TrainingEvents)
    step.attach(training, forward)
    if settings.val_data is not None:
        training.validator = make_engine(lambda engine, batch: val_step(training, forward, batch))
    log.info("%s", model)
    settings.train_data.tell_order()
    log.info("Training on %s.", device)
    return training


def model_metadata(settings: Settings) -> dict:
    """What separation needs from a model file, here and in nussl's deep separators."""
    data = settings.train_data
    return {
        "features": description(settings.features),
        "stft_params": settings.features.stft_params or data.stft_params,
        "sample_rate": data.sample_rate,
        "num_channels": data.num_channels,
        "train_dataset": {
            "name": type(data.dataset).__name__,
            "transforms": described(settings.features.nussl_transform()),
        },
        "source_names": list(data.source_names),
    }


def load(
    settings: Settings, data: Split, batches: Iterable, stages: Sequence[Stage] = ()
) -> DataLoader:
    return make_loader(
        data, batches, settings.excerpt_samples, settings.seed, settings.num_data_workers, stages
    )


def validation_loader(settings: Settings) -> DataLoader:
    batch_size = settings.val_batch_size or settings.batch_size
    batches = each_item_once(settings.val_data, batch_size)[: settings.val_epoch_length]
    return load(settings, settings.val_data, batches)


def inspect_caches(training: Training, loaders: Iterable[DataLoader | None]) -> Inspection:
    """Has the checksums of the caches verified in the background, and their reader noted.

    A defect ends the training at the end of an epoch.
    """
    caches = [loader.dataset.cache for loader in loaders if loader and loader.dataset.cache]
    inspection = Inspection(cache.folder for cache in caches)
    for folder in inspection.folders:
        note_reader(folder, training.run.folder)
    training.trainer.add_event_handler(Events.EPOCH_COMPLETED, inspection.check)
    return inspection


def go_on(training: Training, settings: Settings) -> int:
    """Loads the latest checkpoint and puts the trainer back where it was.

    Returns:
        iterations done so far.
    """
    epoch_length = settings.iterations_per_epoch
    iteration = checkpoints.load(training, settings.run, epoch_length, settings.may_change)
    training.trainer.load_state_dict(
        {
            "iteration": iteration,
            "epoch_length": epoch_length,
            "max_epochs": max(settings.num_epochs, math.ceil(iteration / epoch_length)),
        }
    )
    log.info("Continuing from iteration %d, epoch %d.", iteration, iteration // epoch_length)
    return iteration


def is_trained(training: Training, settings: Settings, start: int) -> bool:
    done = start >= settings.num_epochs * settings.iterations_per_epoch
    return (training.stopped or done) and not is_unfinished(training)


def iterate(
    training: Training, settings: Settings, start: int, val_loader: DataLoader | None
) -> None:
    """Runs the trainer to the last epoch, and tells handlers that all is trained.

    It tells so of a training that was trained before, too: the process may have been killed there.

    Raises:
        Interrupted: a signal came; `latest.pth` holds what was done until then.
    """
    try:
        with postponed():
            if is_trained(training, settings, start):
                log.info("This run is already trained.")
            else:
                run_epochs(training, settings, start, val_loader)
            training.trainer.fire_event(TrainingEvents.TRAINING_COMPLETED)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ConfigError(
            "A data worker died; if memory ran out, lower train.num_data_workers or "
            "train.batch_size, then resume from the last checkpoint."
        ) from error
    finally:
        close_bars(training)
        stop_workers(val_loader)


def run_epochs(
    training: Training, settings: Settings, start: int, val_loader: DataLoader | None
) -> None:
    epoch_length = settings.iterations_per_epoch
    batches = EpochBatches(
        batch_size=settings.excerpts_per_iteration,
        epoch_length=epoch_length,
        start_iteration=start,
        num_epochs=settings.num_epochs,
        stages=settings.stages,
    )
    loader = load(settings, settings.train_data, batches, settings.stages)
    inspection = inspect_caches(training, [loader, val_loader])
    try:
        if is_unfinished(training):
            finish_epoch(training)
        if not is_trained(training, settings, start):
            training.trainer.run(loader, max_epochs=settings.num_epochs, epoch_length=epoch_length)
            training.arrivals.deliver()  # of an epoch that a handler ended
            inspection.finish()
        if is_unfinished(training):  # a handler ended it within an epoch
            finish_epoch(training)
    finally:
        stop_workers(loader)
