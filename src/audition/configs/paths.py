"""Paths that a .gin file can't spell: below a root that only env.gin knows, or in a run folder."""

from pathlib import Path

import gin

from audition import configs
from audition.errors import ConfigError


@gin.register
def subfolder(root: str, name: str) -> str:
    """The path of the folder `name` in `root`, for a binding such as `Scene.foreground_path`."""
    return str(Path(root, name))


@gin.register
def in_run(path: str) -> str:
    """`path`, relative to the folder of the run whose configuration is loaded.

    Raises:
        ConfigError: no run's configuration is loaded.
    """
    run = configs.current_run
    if run is None:
        raise ConfigError(
            f"in_run.path = {str(path)!r} is a path in a run folder: run instantiate first, then "
            "give the config.gin it makes."
        )
    return str(run.folder / path)
