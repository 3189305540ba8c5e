"""Paths below a root that only env.gin knows."""

from pathlib import Path

import gin


@gin.register
def subfolder(root, name):
    """The path of the folder `name` in `root`, for a binding such as `Scene.foreground_path`."""
    return str(Path(root, name))
