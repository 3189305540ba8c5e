"""Model files of nussl's format: torch's, with a pickle in which only a few names may stand."""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from audition.errors import ConfigError
from audition.weights.checks import Stored
from audition.weights.inert import STAND_INS, Revived

FLOATS_AND_INTEGERS = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)


def read_pickle(path: str | Path) -> Stored:
    """What nussl's `SeparationModel.save` wrote: tensors, a config, metadata.

    Raises:
        ConfigError: it names a class or function that is not in the list.
        Exception: the file is damaged.
    """
    check_not_compressed(path)
    content = unpickled(path)
    tensors = {name: dense(one) for name, one in dict(content["state_dict"]).items()}
    if sum(one.nbytes for one in tensors.values()) > os.path.getsize(path):
        raise ValueError("tensors unfold to more than the file holds")
    metadata = Revived()({**content["metadata"]})
    if "nussl_version" in content:
        metadata.setdefault("nussl_version", str(content["nussl_version"]))
    config = content["config"] if "config" in content else metadata["config"]
    return Stored(tensors, json.loads(config) if isinstance(config, str) else config, metadata)


def check_not_compressed(path: str | Path) -> None:
    """torch never compresses; a zip bomb does."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
                raise ValueError("compressed")


def unpickled(path: str | Path) -> dict[str, Any]:
    allowed = [(cls, name) for name, cls in STAND_INS.items()]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        if named is None:
            raise
        raise ConfigError(
            f"{path} names {named[1]:.80}, which a model file has no use for, so it was not opened: "
            "it could do anything; ask whoever made it for the weights as safetensors."
        ) from None  # torch's own text advises to open it all the same


def dense(tensor: Any) -> torch.Tensor:
    """A plain tensor; those of a pickle may be of any class and layout."""
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
        raise TypeError("a weight is not a plain tensor")
    if tensor.dtype not in FLOATS_AND_INTEGERS or tensor.device.type != "cpu":
        raise TypeError("a weight is not a plain tensor")
    return tensor.detach()
