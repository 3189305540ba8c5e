"""setuptools, and one file more in the wheel: with it `import nussl` works alone, not only after audition.

Python runs the lines of a .pth file when it starts. Importing audition takes a millisecond and registers
the hook that patches nussl for today's NumPy, SciPy and torch. An uninstall removes the file.
"""

import zipfile
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

HOOK = 'import importlib.util as util; util.find_spec("audition") and __import__("audition")\n'


def build_wheel(folder, *arguments, **settings):
    return with_hook(folder, build_meta.build_wheel(folder, *arguments, **settings))


def build_editable(folder, *arguments, **settings):
    return with_hook(folder, build_meta.build_editable(folder, *arguments, **settings))


def with_hook(folder, name):
    with zipfile.ZipFile(Path(folder, name), "a") as wheel:
        wheel.writestr("audition_nussl.pth", HOOK)
    return name
