"""Bindings as a person spells them, for readers outside this process."""

from collections.abc import Collection
from typing import Any

import gin

from audition.configs import split_binding
from audition.configs.points import plain_value


def parameters(swept: Collection[str] = ()) -> dict[str, Any]:
    """dict: binding as `config.gin` spells it, or as the sweep does → value that JSON can hold.

    Args:
        swept: names of the bindings that are swept.
    """
    as_swept = {split_binding(name): name for name in swept if "." in name}
    found = {}
    for (scope, selector), bound in gin.config._CONFIG.items():
        for parameter, value in bound.items():
            key = (scope, selector), parameter
            found[as_swept.get(key) or spelled(*key)] = plain_value(value)
    return found


def spelled(configurable: tuple[str, str], parameter: str) -> str:
    scope, selector = configurable
    if selector == "gin.macro":
        return scope
    name = gin.config._REGISTRY.minimal_selector(selector)
    return f"{scope}/{name}.{parameter}".lstrip("/")
