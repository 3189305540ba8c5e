"""Where an `include` of a .gin file is looked for."""

import contextlib
import os
from pathlib import Path

import gin

from audition.errors import ConfigError


def set_up() -> None:
    """Makes gin look for an included file beside the file that includes it, then in the working folder.

    gin itself has one list of folders for all files, so that a file of the same name beside some other
    file of the command line would win without a word. Its second reader, of files inside packages, is
    left out: it fails on the name of a file that doesn't exist.
    """
    gin.config._FILE_READERS[:] = [(Includes().open, os.path.isfile)]
    gin.config._LOCATION_PREFIXES[:] = [""]


class Includes:
    """Reader of .gin files for gin: as long as one is open, its folder is searched first."""

    def __init__(self):
        self.being_read = []

    @contextlib.contextmanager
    def open(self, path):
        resolved = Path(path).resolve()
        if resolved in self.being_read:
            raise ConfigError(
                f"{path} includes itself, by way of {self.being_read[-1].name}: remove one of the "
                "includes."
            )
        before = list(gin.config._LOCATION_PREFIXES)
        gin.config._LOCATION_PREFIXES[:] = [str(Path(path).parent), ""]
        self.being_read.append(resolved)
        try:
            with open(path) as file:
                yield file
        finally:
            self.being_read.pop()
            gin.config._LOCATION_PREFIXES[:] = before
