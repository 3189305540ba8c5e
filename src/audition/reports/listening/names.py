"""Names of runs as a page shows them: letters, and names that fit on a button."""

import os.path
import re

from markupsafe import Markup, escape

SHORT = 19  # characters
MODULE = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Z])")  # of a class: `nussl.separation.primitive.`
BOUNDARY = re.compile(r".*[/:_]")  # up to the last of these


def letter(number: int) -> str:
    """A for 1; after Z, AA."""
    number, rest = divmod(number - 1, 26)
    return (letter(number) if number else "") + chr(ord("A") + rest)


def shorten(names: list[str], length: int = SHORT) -> list[str]:
    """The names without what they all begin with, without the modules of classes, and without their
    middles where they are longer than `length`; as much longer as it takes for those that differ to
    differ still."""
    short = [MODULE.sub("", name) for name in names]
    names = short if len(set(short)) == len(set(names)) else names
    prefix = BOUNDARY.match(os.path.commonprefix(names)) if len(names) > 1 else None
    own = [name[prefix.end() if prefix else 0 :] for name in names]
    while len({middle_out(name, length) for name in own}) < len(set(own)):
        length += 1
    return [middle_out(name, length) for name in own]


def breakable(name: str) -> Markup:
    """A name as HTML, which a narrow column may break after each of `/:_.` and nowhere sooner."""
    return Markup(re.sub(r"(?<=[/:_.])", "<wbr>", str(escape(name))))


def middle_out(name: str, length: int) -> str:
    """`deep_c…edKMeansLoss`: a third of the beginning, and more of the end, where sweeps differ."""
    if len(name) <= length:
        return name
    head = (length - 1) // 3
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"
