"""What a model file says about itself, checked before anybody relies on it."""

from pathlib import Path
from typing import Any, NamedTuple

import nussl
import torch

from audition.errors import ConfigError

MAX_NUMBER = 2**24  # of samples, bins or units: beyond any network's, and small as an array


class Stored(NamedTuple):
    """The content of a model file: tensors by name, the config of their network, and the rest."""

    tensors: dict[str, torch.Tensor]
    config: dict[str, Any]
    metadata: dict[str, Any]


def check_metadata(metadata: dict[str, Any], path: str | Path) -> None:
    """Raises a ConfigError unless the settings of a separation have their types and sane sizes."""
    for name in ("sample_rate", "num_channels"):
        value = metadata.get(name)
        if value is not None and not (type(value) is int and 0 < value <= MAX_NUMBER):
            raise mistaken(path, name)
    stft_params = metadata.get("stft_params")
    if stft_params is not None and not is_stft(stft_params):
        raise mistaken(path, "stft_params")
    features = metadata.get("features")
    if features is not None and not is_description(features):
        raise mistaken(path, "features")


def mistaken(path: str | Path, name: str) -> ConfigError:
    return ConfigError(
        f"{path} holds {name} that no training writes: give a model file that `train` wrote, or "
        "nussl."
    )


def is_stft(value: Any) -> bool:
    if not isinstance(value, nussl.STFTParams):
        return False
    lengths = [value.window_length, value.hop_length]
    return all(one is None or (type(one) is int and one > 0) for one in lengths) and no_giant(value)


def is_description(value: Any) -> bool:
    """Whether it is `{"class": name, "settings": {…}}`."""
    has_both = isinstance(value, dict) and set(value) == {"class", "settings"}
    return has_both and isinstance(value["class"], str) and no_giant(value["settings"])


def no_giant(value: Any) -> bool:
    """Whether all whole numbers in nested lists and dicts are ones that a network may need."""
    if isinstance(value, dict):
        return all(map(no_giant, value.values()))
    if isinstance(value, list | tuple):
        return all(map(no_giant, value))
    return not isinstance(value, int) or abs(value) <= MAX_NUMBER
