"""Build a training from its settings, go on from a checkpoint, and run it to the last epoch."""

import logging
import math

import nussl
import torch

from audition.datasets.excerpts import EpochBatches
from audition.datasets.loaders import each_item_once, make_loader, stop_workers
from audition.device import choose_device
from audition.errors import ConfigError
from audition.losses import Losses
from audition.training import checkpoints
from audition.training.epochs import (
    attach_bookkeeping,
    attach_reports,
    attach_saving,
    close_bars,
)
from audition.training.optimizers import make_optimizer
from audition.training.state import Training, TrainingEvents
from audition.training.step import Forward, make_engine, train_step, val_step

log = logging.getLogger(__name__)


def check(settings):
    for name in ("batch_size", "num_epochs", "epoch_length", "val_batch_size"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise ConfigError(f"train.{name} = {value} must be at least 1.")
    if settings.num_data_workers < 0:
        raise ConfigError(
            f"train.num_data_workers = {settings.num_data_workers} must be at least 0, which loads "
            "in the training's own process."
        )
    if (settings.excerpt_frames is None) == (settings.excerpt_seconds is None):
        raise ConfigError("Bind one of train.excerpt_frames and train.excerpt_seconds, not both.")
    if settings.excerpt_seconds is None and not hasattr(settings.features, "num_samples"):
        raise ConfigError(
            f"{type(settings.features).__name__} has no frames; bind train.excerpt_seconds in place "
            "of train.excerpt_frames."
        )
    if settings.mixed_precision not in (None, "bfloat16", "float16"):
        raise ConfigError(
            f"train.mixed_precision = {settings.mixed_precision!r} must be None, 'bfloat16' or "
            "'float16'."
        )
    for name in ("train_data", "val_data"):
        data = getattr(settings, name)
        if data is not None and data.sample_rate != settings.train_data.sample_rate:
            raise ConfigError(
                f"train.{name} has a sample rate of {data.sample_rate} Hz, train.train_data of "
                f"{settings.train_data.sample_rate} Hz; they must agree."
            )


def attach(training, settings, val_loader):
    """The user's handlers find the epoch's history filled; checkpoints hold what they did."""
    attach_bookkeeping(training, val_loader)
    for handler in settings.handlers:
        handler(training)
    attach_reports(training)
    attach_saving(training, settings.save_every_iterations, settings.save_every_epochs)


def build(settings, writer, exits):
    """The Training: model, optimizer, engines, losses; nothing attached yet."""
    device = choose_device(settings.device)
    if device.type == "cpu" and settings.mixed_precision == "float16":
        raise ConfigError(
            "train.mixed_precision = 'float16' needs a GPU, and here is none; bind 'bfloat16' or None."
        )
    model = nussl.ml.SeparationModel(settings.model_config).to(device)
    training = Training(
        run=settings.run,
        model=model,
        optimizer=make_optimizer(settings.optimizer, model.parameters()),
        scaler=torch.amp.GradScaler(device.type, enabled=settings.mixed_precision == "float16"),
        losses=Losses(settings.loss_dictionary, settings.loss_combination),
        val_losses=Losses(
            settings.val_loss_dictionary or settings.loss_dictionary,
            settings.loss_combination,
            "val_loss_dictionary",
        ),
        trainer=None,
        validator=None,
        device=device,
        train_names=settings.train_data.names,
        val_data=settings.val_data,
        metadata=model_metadata(settings),
        writer=writer,
        scalar_logs=[writer.add_scalar],
        exits=exits,
    )
    network = torch.compile(model) if settings.compile_model else model
    forward = Forward(network, settings.features, device, settings.mixed_precision, settings.remix)
    training.trainer = make_engine(lambda engine, batch: train_step(training, forward, batch))
    training.trainer.register_events(*TrainingEvents)
    if settings.val_data is not None:
        training.validator = make_engine(lambda engine, batch: val_step(training, forward, batch))
    log.info("%s", model)
    log.info("Training on %s.", device)
    return training


def model_metadata(settings):
    """What nussl's deep separators ask of a model file."""
    data = settings.train_data
    return {
        "stft_params": getattr(settings.features, "stft_params", data.stft_params),
        "sample_rate": data.sample_rate,
        "num_channels": data.num_channels,
        "train_dataset": {
            "name": type(data.dataset).__name__,
            "transforms": settings.features.nussl_transform(),
        },
        "source_names": list(data.source_names),
    }


def excerpt_samples(settings):
    if settings.excerpt_seconds is not None:
        return round(settings.excerpt_seconds * settings.train_data.sample_rate)
    return settings.features.num_samples(settings.excerpt_frames)


def load(settings, data, batches):
    return make_loader(
        data, batches, excerpt_samples(settings), settings.seed, settings.num_data_workers
    )


def validation_loader(settings):
    batches = each_item_once(settings.val_data, settings.val_batch_size or settings.batch_size)
    return load(settings, settings.val_data, batches)


def iterations_per_epoch(settings):
    return settings.epoch_length or max(len(settings.train_data) // settings.batch_size, 1)


def go_on(training, settings, latest):
    """Loads the latest checkpoint and puts the trainer where it was.

    Returns:
        iterations done so far.
    """
    epoch_length = iterations_per_epoch(settings)
    iteration = checkpoints.load(training, latest, epoch_length)
    training.trainer.load_state_dict(
        {
            "iteration": iteration,
            "epoch_length": epoch_length,
            "max_epochs": max(settings.num_epochs, math.ceil(iteration / epoch_length)),
        }
    )
    log.info("Going on from iteration %d, epoch %d.", iteration, iteration // epoch_length)
    return iteration


def iterate(training, settings, start, val_loader):
    """Runs the engine to the last epoch."""
    epoch_length = iterations_per_epoch(settings)
    if training.stopped or start >= settings.num_epochs * epoch_length:
        log.info("This run is trained already.")
        return
    batches = EpochBatches(
        batch_size=settings.batch_size,
        epoch_length=epoch_length,
        start_iteration=start,
        num_epochs=settings.num_epochs,
    )
    loader = load(settings, settings.train_data, batches)
    try:
        training.trainer.run(loader, max_epochs=settings.num_epochs, epoch_length=epoch_length)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ConfigError(
            "A data worker died; if memory is short, lower train.num_data_workers or "
            "train.batch_size, then resume from the last checkpoint."
        ) from error
    finally:
        close_bars(training)
        stop_workers(loader)
        stop_workers(val_loader)
