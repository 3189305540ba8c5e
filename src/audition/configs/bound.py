"""What the loaded configs bind, as gin parsed it."""

from typing import Any

import gin


def raw_binding(name: str) -> Any:
    """The value of a binding, or None; a `@reference` stays one."""
    try:
        return gin.query_parameter(name)
    except ValueError:
        return None


def has_network() -> bool:
    """Whether there is a network to train."""
    return any(raw_binding(f"train.{name}") is not None for name in ("model_config", "model"))
