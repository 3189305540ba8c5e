"""Layers that the config of a network may name."""

import gin
import nussl
from torch import nn


def building_block(module: type[nn.Module]) -> type[nn.Module]:
    """Class decorator that lets configs name an `nn.Module`."""
    nussl.ml.register_module(module)
    return gin.register(module)
