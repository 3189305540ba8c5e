"""Reads one binding of a run without disturbing what is loaded."""

import copy
from typing import Any

import gin

from audition import configs
from audition.errors import ConfigError
from audition.runs.folder import Run


def value_in(run: Run, binding: str, untrusted: bool | None = None) -> Any:
    """What a command would get for `binding` from a run's config.

    Args:
        untrusted: whether the run comes from a stranger; None is what was said of what is loaded.

    gin's own state is restored afterwards, so a program with settings of its own can call this.

    Raises:
        ConfigError: the config can't be loaded, or doesn't bind it.
    """
    current_run, distrust, locked = configs.current_run, configs.distrust, gin.config_is_locked()
    before = {key: dict(parameters) for key, parameters in gin.config._CONFIG.items()}
    try:
        configs.load([run.config], run=run, untrusted=untrusted)
        if configs.raw_binding(binding) is None:
            raise ConfigError(
                f"{str(run.config)!r} doesn't bind {binding}: give the config of a run."
            )
        return copy.deepcopy(gin.query_parameter(binding))  # gin builds @references as it copies
    finally:
        configs.current_run, configs.distrust = current_run, distrust
        with gin.unlock_config():
            gin.config._CONFIG.clear()
            gin.config._CONFIG.update(before)
        gin.config._set_config_is_locked(locked)
