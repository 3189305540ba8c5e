"""Checkpoints: one file with all that a restart needs, and model files."""

import contextlib
import io
import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import nussl
import torch

from audition import weights
from audition.checksums import content_checksum
from audition.errors import ConfigError
from audition.files import Damaged, write_and_rename
from audition.identity import fingerprint
from audition.runs.folder import Run
from audition.training.optimizers import with_new_settings
from audition.training.passport import MAY_CHANGE, check
from audition.training.state import Training

log = logging.getLogger(__name__)

CONTENT = {
    **dict.fromkeys(("model", "optimizer", "scaler", "history", "sums", "kept", "rng"), dict),
    **dict.fromkeys(("iteration", "epoch_length"), int),
}
FORMAT = 2  # increase it when the content changes in a way that makes older files unreadable
START_OVER = (
    "to start over, delete its folder, or first copy best.model.pth from there and bind "
    "train.init_from to it"
)


def save(training: Training, run: Run) -> None:
    """Writes the whole state of a training, handlers and random generators included, to the run's
    `latest.pth`, and keeps the one before as `previous.pth`.

    Raises:
        ConfigError: the disk is full, or the last step or the weights are not finite; the previous
            checkpoint is left intact.
    """
    training.arrivals.deliver()
    check_weights(training.model, run.latest)
    content = {
        "format": FORMAT,
        "model": training.model.state_dict(),
        "optimizer_class": type(training.optimizer).__name__,
        "optimizer": training.optimizer.state_dict(),
        "scaler": training.scaler.state_dict(),
        "iteration": training.trainer.state.iteration,
        "epoch_length": training.trainer.state.epoch_length,
        "items": fingerprint(training.train_names),
        "passport": training.passport,
        "history": training.history,
        "best": training.best,
        "sums": training.sums,
        "skipped": [training.skipped_in_row, training.skipped_in_epoch],
        "stopped": training.stopped,
        "kept": {name: thing.state_dict() for name, thing in training.kept.items()},
        "rng": rng_state(),
    }
    content["checksum"] = content_checksum(content)
    # torch.save reports a full disk as an "enforce fail"; writing from memory raises an OSError
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_whole(buffer.getbuffer(), run.latest, run.previous)


def write_whole(content: bytes | memoryview, path: Path, previous: Path | None = None) -> None:
    try:
        with write_and_rename(path, "wb", previous) as file:
            file.write(content)
    except OSError as error:
        raise ConfigError(
            f"{path} could not be written ({error.strerror}); the previous one is intact, so free "
            "some space and run resume."
        ) from error


def load(
    training: Training, run: Run, epoch_length: int, may_change: Sequence[str] = MAY_CHANGE
) -> int:
    """Restores into `training` what `save` wrote last; call it once all handlers are attached.

    Args:
        epoch_length: iterations per epoch, which must be the same as before.
        may_change: names of settings that need not be.

    Returns:
        iterations done so far.

    Raises:
        ConfigError: the files are damaged, or were written with other settings.
    """
    path, content = read_newest(run)
    begun_with = content.get("passport", {})  # none up to version 0.2
    changed = check(begun_with, training.passport, may_change, path)
    for one in changed:
        log.info("%s", one)
    if content["epoch_length"] != epoch_length:
        raise ConfigError(
            f"{path} was written with {content['epoch_length']} iterations per epoch, but now "
            f"there are {epoch_length}; use the train.epoch_length, train.batch_size and data it "
            "was trained with."
        )
    items = fingerprint(training.train_names)
    if not begun_with and content.get("items", items) != items:  # version 0.1 didn't write them
        raise ConfigError(
            f"{path} was written when training on other tracks than train.train_data has now; "
            "use the data it was trained with, or instantiate a new run."
        )
    load_weights(training.model, content["model"], path)
    optimizer = type(training.optimizer).__name__
    if content["optimizer_class"] != optimizer:
        raise ConfigError(
            f"{path} was written with the optimizer {content['optimizer_class']}, but "
            f"train.optimizer is {optimizer}; use the config it was trained with."
        )
    state = content["optimizer"]
    if changed:
        passports = (begun_with, training.passport)
        settings = (one["train.optimizer"]["value"]["settings"] for one in passports)
        state = with_new_settings(state, training.optimizer, *settings)
    restore(training.optimizer, state, "train.optimizer", path)
    training.scaler.load_state_dict(content["scaler"])
    if set(content["kept"]) != set(training.kept):
        raise ConfigError(
            f"{path} was written with the handlers {sorted(content['kept'])}, but train.handlers "
            f"now has {sorted(training.kept)}; use the config it was trained with."
        )
    for name, thing in training.kept.items():
        restore(thing, content["kept"][name], f"handler {name}", path)
    training.history = content["history"]
    training.best = content["best"]
    training.sums = content["sums"]
    training.skipped_in_row, training.skipped_in_epoch = content.get("skipped", [0, 0])
    training.stopped = content["stopped"]
    set_rng_state(content["rng"])
    return content["iteration"]


def read_newest(run: Run) -> tuple[Path, dict]:
    """The last checkpoint that `save` wrote and its path, or where that is damaged or deleted, the
    one before, which is said."""
    if not run.latest.exists():
        log.warning("%s is gone, so %s is taken", run.latest, run.previous)
        return run.previous, read(run.previous)
    try:
        return run.latest, read(run.latest)
    except Damaged as error:
        if not run.previous.exists():
            raise
        log.warning("%s is damaged (%s), so %s is taken", run.latest, error.why, run.previous)
        return run.previous, read(run.previous)


def read(path: Path) -> dict:
    """What `save` wrote, as a dict, its tensors on the CPU.

    Raises:
        Damaged: the file is not as it was written.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        checksum = content.pop("checksum", None)  # none up to version 0.2
        written = content["format"]
    except Exception as error:  # torch, pickle and zip all fail in their own ways
        raise Damaged(path, f"reading it ends in {type(error).__name__}", START_OVER) from error
    if checksum is not None and checksum != content_checksum(content):
        raise Damaged(path, "it doesn't fit its checksum", START_OVER)
    if written != FORMAT:
        raise ConfigError(f"{path} was written by another version of this code; train again.")
    wrong = [name for name, kind in CONTENT.items() if not isinstance(content.get(name), kind)]
    if wrong:
        raise ConfigError(f"{path} lacks {', '.join(wrong)}, so it is damaged; train again.")
    return content


def restore(thing: Any, state: dict, name: str, path: Path) -> None:
    try:
        thing.load_state_dict(state)
    except (ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(
            f"{path} doesn't fit {name} ({str(error).splitlines()[0]}); use the config it was "
            "trained with."
        ) from error


def load_weights(model: torch.nn.Module, state_dict: dict, path: Path) -> None:
    """Loads weights, which must fit exactly.

    Raises:
        ConfigError: a parameter differs; names the first one.
    """
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    other = {name: tuple(value.shape) for name, value in state_dict.items()}
    for name in [*own, *other]:
        if own.get(name) != other.get(name):
            raise ConfigError(
                f"{path} holds another architecture: {name} is {other.get(name, 'missing')} there "
                f"and {own.get(name, 'missing')} here; train.model_config must be the one it was "
                "trained with."
            )
    model.load_state_dict(state_dict)


def save_model(model: nussl.ml.SeparationModel, metadata: dict, path: Path) -> None:
    """Writes a model file, whole or not at all.

    Args:
        metadata: JSON-able dict with `features` (see `audition.features.description`), from which
            separation makes the input, and with `stft_params`, `sample_rate`, `num_channels` and
            `train_dataset`, which nussl's DeepMaskEstimation and DeepClustering need.

    Raises:
        ConfigError: the disk is full, or the weights are not finite.
    """
    check_weights(model, path)
    write_whole(weights.packed(model, metadata), path)


def check_weights(model: torch.nn.Module, path: Path) -> None:
    """Raises a ConfigError, before anything is written, if a weight is infinite or NaN.

    Buffers may be infinite, as masks are, but not NaN.
    """
    wrong = [name for name, one in model.named_parameters() if not one.isfinite().all()]
    wrong += [name for name, one in model.named_buffers() if one.isnan().any()]
    if wrong:
        raise ConfigError(
            f"The weights {wrong[0]} are no longer finite, so {path} was not written; lower the "
            "learning rate or clip gradients in train.handlers, then resume from the last "
            "checkpoint."
        )


def rng_state() -> dict:
    """State of all global generators, in plain types and tensors, so that it is safe to read."""
    version, numbers, gauss = random.getstate()
    kind, keys, *rest = np.random.get_state()
    return {
        "python": (version, torch.tensor(numbers), gauss),
        "numpy": (kind, torch.from_numpy(keys.astype(np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_rng_state(state: dict) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.cpu().numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda"]])


@contextlib.contextmanager
def random_states_kept() -> Iterator[None]:
    """Restores the global generators at the end, whatever drew from them in between."""
    state = rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
