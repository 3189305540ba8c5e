"""Builds the network that a config describes, no larger than the tensors that are there for it."""

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nussl
import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from audition.errors import ConfigError
from audition.weights.checks import MAX_NUMBER, no_giant

SLACK = 4  # a layer may register a parameter anew, as torch's weight_norm does
UNSAVED = MAX_NUMBER  # numbers in buffers that no file holds: 64 MB


def build(
    config: dict[str, Any], tensors: dict[str, torch.Tensor], path: str | Path
) -> nussl.ml.SeparationModel:
    """The network of `config` with its `tensors`.

    Each layer is built on torch's meta device first, where it takes no memory, and must fit its
    tensors there.

    Args:
        path: where both came from, for errors.

    Raises:
        ConfigError: the config names what is no layer, or the tensors are those of another network.
    """
    for key, module in config["modules"].items():
        if "class" in module:
            own = {name: one for name, one in tensors.items() if name.startswith(f"layers.{key}.")}
            check_layer(key, module, own, path)
    with no_more_than(tensors, "the network", path):
        model = nussl.ml.SeparationModel(config)
    check_same(model.state_dict(), tensors, path)
    model.load_state_dict(tensors)
    return model


def check_layer(
    key: str, module: dict[str, Any], tensors: dict[str, torch.Tensor], path: str | Path
) -> None:
    check_classes(module, path)
    arguments = copy.deepcopy(module.get("args", {}))
    if not no_giant(arguments):
        raise too_large(f"layer {key!r}", path)
    try:
        with no_more_than(tensors, f"layer {key!r}", path), torch.device("meta"):
            layer = layer_class(module["class"])(**arguments)
    except ConfigError:
        raise
    except Exception:  # nussl's MelProjection and a block of one's own may want real tensors
        return
    check_same(
        {f"layers.{key}.{name}": one for name, one in layer.state_dict().items()}, tensors, path
    )


def check_classes(value: Any, path: str | Path) -> None:
    """All classes that a layer's description names, at any depth, must be layers themselves.

    A `device` among their arguments would allocate there, whatever the device around it.
    """
    if isinstance(value, list | tuple):
        for one in value:
            check_classes(one, path)
    elif isinstance(value, dict):
        cls = layer_class(value["class"]) if "class" in value else nn.Module
        if not (isinstance(cls, type) and issubclass(cls, nn.Module)) or "device" in value:
            raise ConfigError(
                f"{path} describes a network with a {value.get('class', 'device')!s:.80}, which is no "
                "layer of torch, nussl or a module that your .gin file imports: give a model file that "
                "`train` wrote."
            )
        for one in value.values():
            check_classes(one, path)


def layer_class(name: Any) -> Any:
    """What nussl would call for this name: its own layers come first."""
    return getattr(nussl.ml.modules, str(name), None) or getattr(nn, str(name), None)


@contextlib.contextmanager
def no_more_than(tensors: dict[str, torch.Tensor], name: str, path: str | Path) -> Iterator[None]:
    """Layers made inside may have about as many parameters, and numbers in them, as the tensors, and
    about as many numbers in buffers, some of which are not saved, such as windows."""
    numbers = SLACK * sum(one.numel() for one in tensors.values())
    left = {"parameters": SLACK * len(tensors), "in them": numbers, "in buffers": numbers + UNSAVED}

    def take(kind, amount):
        left[kind] -= amount
        if left[kind] < 0:
            raise too_large(name, path)

    def add_parameter(module, _, parameter):
        take("parameters", 1)
        take("in them", parameter.numel())

    def add_buffer(module, _, buffer):
        take("in buffers", 0 if buffer is None else buffer.numel())

    with (
        register_module_parameter_registration_hook(add_parameter),
        register_module_buffer_registration_hook(add_buffer),
    ):
        yield


def too_large(name: str, path: str | Path) -> ConfigError:
    return ConfigError(
        f"{path} describes {name} larger than the weights it holds, so it was not built: give a "
        "model file that `train` wrote."
    )


def check_same(
    model: dict[str, torch.Tensor], tensors: dict[str, torch.Tensor], path: str | Path
) -> None:
    """Names, shapes and types must be those of the network."""
    kinds = [
        {name: (tuple(x.shape), x.dtype) for name, x in one.items()} for one in (model, tensors)
    ]
    for name in sorted({*model, *tensors}):
        here, there = (kind.get(name) for kind in kinds)
        if here != there:
            raise ConfigError(
                f"{path} holds weights of another network than it describes: {name} is "
                f"{in_words(there)} where the network has {in_words(here)}; give a model file that "
                "`train` wrote."
            )


def in_words(kind: tuple[tuple, torch.dtype] | None) -> str:
    return "none" if kind is None else f"{kind[0]} of {str(kind[1]).removeprefix('torch.')}"
