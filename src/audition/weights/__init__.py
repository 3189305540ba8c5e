"""Model files: a network's tensors, and what they are the tensors of. Reading one runs nothing in it.

A file is safetensors, whatever its name ends in: the tensors under the names that the network gives
them, and one entry of metadata, `audition`, which is JSON:

    {"format": 1, "checksum": "…",
     "network": {"class": "SeparationModel", "settings": {"config": {…}}},
     "metadata": {"features": {"class": …, "settings": {…}}, "stft_params": [256, 64, "sqrt_hann"],
                  "sample_rate": 8000, "num_channels": 1, "source_names": […],
                  "train_dataset": {"name": …, "transforms": {"class": …, "settings": {…}}},
                  "trainer.state.epoch_history": {…}, "nussl_version": "1.1.9"}}

`network` says what to build, by its gin name and its arguments; `checksum` is of all the rest and of the
tensors. It is one entry because safetensors
writes several in any order, and equal files should have equal bytes. Readers leave keys that they
don't know alone. Files that nussl writes, which are pickles, are read as
well, see `pickles.py`. `nussl.ml.SeparationModel.load` is `load` here, so nussl's own separators read
either kind, and `save` of what it returns writes a file for nussl elsewhere.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import nussl
import safetensors.torch
import torch

from audition.checksums import content_checksum
from audition.errors import ConfigError
from audition.files import Damaged
from audition.weights.building import build
from audition.weights.checks import Stored, check_metadata
from audition.weights.inert import described, rebuilt
from audition.weights.pickles import read_pickle

__all__ = ["Stored", "described", "load", "packed", "read", "write_for_nussl"]
FORMAT = 1  # increase it when the content changes in a way that older code can't read
ENTRY = "audition"
NETWORK = "SeparationModel"
SNAPSHOT = "module_snapshot"  # the source code of a block, which nussl adds to a config
ANOTHER_COPY = "give another copy of a model file that `train` wrote, or nussl"
MAX_CHARACTERS = 2**24  # of the JSON: what it becomes in memory is many times as large


def packed(model: nussl.ml.SeparationModel, metadata: dict[str, Any]) -> bytes:
    """The content of a model file.

    Args:
        metadata: JSON-able, see the module's docstring.
    """
    config = {**model.config, "modules": without_snapshots(model.config["modules"])}
    about = {
        "format": FORMAT,
        "network": {"class": NETWORK, "settings": {"config": config}},
        "metadata": {**metadata, "nussl_version": model.metadata["nussl_version"]},
    }
    about = json.loads(json.dumps(about, default=number))
    # safetensors refuses tensors that share memory, as those of recurrent layers may, or have gaps
    tensors = {
        name: one.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, one in model.state_dict().items()
    }
    text = json.dumps({**about, "checksum": checksum_of(about, tensors)})
    return safetensors.torch.save(tensors, {ENTRY: text})


def checksum_of(about: dict[str, Any], tensors: dict[str, Any]) -> str:
    return content_checksum([about, dict(sorted(tensors.items()))])


def without_snapshots(modules: dict[str, dict]) -> dict[str, dict]:
    return {
        name: {key: value for key, value in module.items() if key != SNAPSHOT}
        for name, module in modules.items()
    }


def number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is not JSON")


def load(path: str | Path) -> tuple[nussl.ml.SeparationModel, dict[str, Any]]:
    """A network on the CPU, and what is known about it, as nussl's `SeparationModel.load` gives them.

    Raises:
        ConfigError: the file is damaged, or holds what a model file may not.
    """
    from nussl.core.migration import SafeModelLoader

    with told(path):
        stored = SafeModelLoader().load(str(path))  # which reads it with `read_for_nussl`
        metadata = stored["metadata"]
        model = build(json.loads(metadata["config"]), stored["state_dict"], path)
    return model, metadata


def write_for_nussl(path: str | Path, destination: str | Path) -> None:
    """Writes the network of a model file as nussl itself does, for a nussl without this project.

    Raises:
        ConfigError: the file is damaged, or holds what a model file may not.
    """
    model, stored = load(path)[0], read(path)
    model.save(str(destination), metadata=stored.metadata)


def read_for_nussl(path: str | Path) -> dict[str, Any]:
    """What a model file holds, as nussl's loader expects it."""
    stored = read(path)
    return {
        "state_dict": stored.tensors,
        "config": json.dumps(stored.config),
        "metadata": stored.metadata,
    }


def read(path: str | Path) -> Stored:
    """The tensors and the description in a model file; no network is built.

    Raises:
        ConfigError: the file is damaged, or holds what a model file may not.
    """
    with told(path):
        with open(path, "rb") as file:
            start = file.read(9)
        is_safetensors = start[8:] == b"{"  # after the length of the header
        stored = read_safetensors(path) if is_safetensors else read_pickle(path)
        check_metadata(restored(stored.metadata), path)
    return stored


def read_safetensors(path: str | Path) -> Stored:
    with safetensors.safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get(ENTRY)
        if text is None or len(text) > MAX_CHARACTERS:
            raise ConfigError(
                f"{path} doesn't say what it holds the weights of: give a model file that `train` "
                "wrote."
            )
        about = json.loads(text)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    checksum = about.pop("checksum", None)
    if checksum is not None and checksum != checksum_of(about, tensors):
        raise Damaged(path, "it doesn't fit its checksum", ANOTHER_COPY)
    check_kind(about, path)
    return Stored(tensors, about["network"]["settings"]["config"], about["metadata"])


def check_kind(about: dict[str, Any], path: str | Path) -> None:
    if about["format"] != FORMAT or about["network"]["class"] != NETWORK:
        raise ConfigError(
            f"{path} holds a {about['network']['class']!s:.80} in format {about['format']!s:.80}, "
            f"which this version doesn't read: it reads a {NETWORK} in format {FORMAT}."
        )


def restored(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata with nussl's objects in place of their descriptions."""
    places = (metadata, metadata.get("train_dataset"), metadata.get("val_dataset"))
    for place in filter(None, places):
        if place.get("stft_params") is not None:
            place["stft_params"] = nussl.STFTParams(*place["stft_params"])
        if place.get("transforms") is not None:
            place["transforms"] = rebuilt(place["transforms"])
    return metadata


@contextlib.contextmanager
def told(path: str | Path) -> Iterator[None]:
    """One sentence for whatever goes wrong: torch, safetensors, nussl and JSON fail in many ways."""
    try:
        yield
    except FileNotFoundError:
        raise
    except ConfigError as error:
        if str(path) in str(error):
            raise
        raise ConfigError(f"{path} can't be used: {error}") from error  # a network's own sentence
    except Exception as error:
        raise Damaged(path, f"reading it ends in {type(error).__name__}", ANOTHER_COPY) from error
