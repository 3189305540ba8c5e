"""The weights that a training starts from: another run's, a checkpoint's or a model file's."""

import logging
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import torch

from audition import weights
from audition.errors import ConfigError
from audition.runs.folder import Run
from audition.training import checkpoints

log = logging.getLogger(__name__)


def start_from(model: torch.nn.Module, source: str | Path, strict: bool = True) -> None:
    """Loads the weights of another run's best model, of a checkpoint, or of a model file.

    Args:
        strict: False takes the tensors of the same name and shape, says which, and leaves the others
            as they are; True takes all or none.

    Raises:
        ConfigError: the weights can't be read, don't fit or, without `strict`, not one of them does.
    """
    path = find_weights(source)
    tensors = read_weights(path)
    if strict:
        load_all(model, tensors, path)
    else:
        load_fitting(model, tensors, path)
    log.info("Starting from the weights in %s.", path)


def find_weights(source: str | Path) -> Path:
    """Path of a file, given that path or a run folder, which stands for its best model.

    Raises:
        ConfigError: there is none.
    """
    path = Path(source)
    path = Run(path).best_model if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(
            f"There is no trained model at {path}; give the folder of a trained run, or the path "
            "of a .model.pth file or of a checkpoint."
        )
    return path


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name; those of a checkpoint are the ones that its training stepped last."""
    if zipfile.is_zipfile(path):  # a checkpoint is one, and so is what nussl writes
        with suppress(ConfigError):
            return checkpoints.read(path)["model"]
    try:
        return weights.read(path).tensors
    except ConfigError as error:
        raise ConfigError(f"train.init_from can't be loaded: {error}") from error


def load_all(model: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    try:
        checkpoints.load_weights(model, tensors, path)
    except ConfigError as error:
        raise ConfigError(
            f"{str(error).removesuffix('.')}, or bind train.init_strict = False to take those that fit."
        ) from error


def load_fitting(model: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    own = model.state_dict()
    fitting = {
        name: one for name, one in tensors.items() if name in own and own[name].shape == one.shape
    }
    if not fitting:
        raise ConfigError(
            f"No tensor of train.init_from = {str(path)!r} has the name and the shape of one of this "
            f"network (it has {listed(tensors)}); give weights of a network like it, or bind None."
        )
    model.load_state_dict(fitting, strict=False)
    log.info("Taken from %s: %s", path, listed(fitting))
    log.info("Left in %s: %s", path, listed([name for name in tensors if name not in fitting]))
    log.info("As they were drawn: %s", listed([name for name in own if name not in fitting]))


def listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
