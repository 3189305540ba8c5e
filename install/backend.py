"""setuptools, and two files more in the wheel: with them `import nussl` works without `import audition`.

Python runs the line of a .pth file when it starts. This one registers a finder that imports audition
just before nussl, wherever nussl is imported first. An uninstall removes both files.
"""

import zipfile
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

FINDER = Path(__file__).with_name("audition_before_nussl.py")


def build_wheel(folder, *arguments, **settings):
    return with_finder(folder, build_meta.build_wheel(folder, *arguments, **settings))


def build_editable(folder, *arguments, **settings):
    return with_finder(folder, build_meta.build_editable(folder, *arguments, **settings))


def with_finder(folder, name):
    with zipfile.ZipFile(Path(folder, name), "a") as wheel:
        wheel.write(FINDER, FINDER.name)
        wheel.writestr(f"{FINDER.stem}.pth", f"import {FINDER.stem}\n")
    return name
