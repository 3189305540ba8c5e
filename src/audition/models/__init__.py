"""Networks: functions that return the config of a nussl `SeparationModel`, and their blocks.

A config is a dict of modules, connections and outputs. nussl's own builders are registered in
`audition.registry`; a new network is a new `build_…` function here (or in a file of your own that a
.gin file imports), and a new layer is an `nn.Module` decorated with `building_block`.
"""

import gin
import nussl
from torch import nn

from audition.models.chimera_with_mel import build_chimera_with_mel

__all__ = ["build_chimera_with_mel", "building_block"]


def building_block(module: type[nn.Module]) -> type[nn.Module]:
    """Class decorator that lets configs name an `nn.Module`; model files name it."""
    nussl.ml.register_module(module)
    return gin.register(module)
