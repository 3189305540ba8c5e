"""Where an `include` in a .gin file is looked for."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import gin

from audition.configs import untrusted
from audition.errors import ConfigError


def set_up(distrust: untrusted.Distrust | None = None) -> "Includes":
    """Makes gin look for an included file beside the including file, then in the working folder.

    gin itself has one list of folders for all files, so a file of the same name beside some other
    file on the command line could silently win. We drop its second reader, for files inside
    packages: it crashes on the name of a file that doesn't exist.

    Args:
        distrust: of files from strangers; None trusts them.

    Returns:
        the reader, which knows what it has read.
    """
    reader = Includes(distrust)
    gin.config._FILE_READERS[:] = [(reader.open, os.path.isfile)]
    gin.config._LOCATION_PREFIXES[:] = [""]
    return reader


class Includes:
    """Reads .gin files for gin; while one is open, its folder is searched first."""

    def __init__(self, distrust: untrusted.Distrust | None = None):
        self.distrust = distrust
        self.being_read = []
        self.read = {}  # paths, in the order of reading; the values say nothing

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO]:
        resolved = Path(path).resolve()
        if resolved in self.being_read:
            raise ConfigError(
                f"{path} includes itself, by way of {self.being_read[-1].name}: remove one of the "
                "includes."
            )
        if self.distrust is not None:
            untrusted.check_included(path, self.distrust)
            untrusted.check_statements(Path(path).read_text(), path)
        before = list(gin.config._LOCATION_PREFIXES)
        gin.config._LOCATION_PREFIXES[:] = [str(Path(path).parent), ""]
        self.being_read.append(resolved)
        try:
            with open(path) as file:
                self.read[path] = None
                yield file
        finally:
            self.being_read.pop()
            gin.config._LOCATION_PREFIXES[:] = before
