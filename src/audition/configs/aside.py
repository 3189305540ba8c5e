"""Reads one binding of a .gin file and leaves what is loaded as it was."""

import copy
from pathlib import Path
from typing import Any

import gin

from audition import configs
from audition.errors import ConfigError


def value_in(path: str | Path, binding: str) -> Any:
    """What a command would get for `binding` from the .gin file at `path`.

    What gin held before is back afterwards, so that a program with settings of its own can call this.

    Raises:
        ConfigError: the file can't be loaded, or doesn't bind it.
    """
    loaded, locked = configs.loaded, gin.config_is_locked()
    before = {key: dict(parameters) for key, parameters in gin.config._CONFIG.items()}
    try:
        configs.load([path])
        if configs.raw_binding(binding) is None:
            raise ConfigError(f"{str(path)!r} doesn't bind {binding}: give the config of a run.")
        return copy.deepcopy(gin.query_parameter(binding))  # gin builds @references as it copies
    finally:
        configs.loaded = loaded
        with gin.unlock_config():
            gin.config._CONFIG.clear()
            gin.config._CONFIG.update(before)
        gin.config._set_config_is_locked(locked)
