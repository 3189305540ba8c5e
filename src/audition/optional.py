"""Packages that only some people need: imported when they are used, or a sentence says what to install."""

import importlib
from types import ModuleType

from audition.errors import ConfigError


def imported(module: str, who: str) -> ModuleType:
    """The module of another toolkit.

    Args:
        module: dotted name.
        who: what needs it, for the message, such as "AsteroidModel".

    Raises:
        ConfigError: it is not installed, or does not fit the other packages.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a library compiled for another torch
        raise ConfigError(
            f"{who} needs the package {module.partition('.')[0]} and what it imports ({error}): "
            "pip install --no-deps -r requirements-peers.txt"
        ) from error
