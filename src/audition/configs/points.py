"""How a point of a sweep is written: in a folder's name, at the head of a config, in run.json."""

import re

RULE = "# " + "-" * 96
COMPILED = "# Compiled from "  # begins the second line of a compiled config
MAX_LABEL = 200  # file systems allow 255 bytes for a folder's name


def header(point, paths):
    """Comment lines that open the compiled config of a point of a sweep, or of a bootstrap's rounds."""
    lines = [f"{COMPILED}{', '.join(map(str, paths))}."]
    lines += [f"# Differs from its siblings: {name} = {value!r}" for name, value in point.items()]
    return "\n".join([RULE, *lines, RULE, ""]) + "\n"


def label(point):
    """What a run folder is called after: last part of each swept name and its value, joined by _.

    Values keep letters, digits and `.+-`; anything else that a path could trip over becomes `-`.
    """
    parts = [f"{name.split('.')[-1]}:{plain(value)}" for name, value in point.items()]
    return "_".join(parts)[:MAX_LABEL]


def plain_point(point):
    """`point` as `run.json` holds it."""
    return {name: plain_value(value) for name, value in point.items()}


def plain_value(value):
    """`value` where JSON can hold it, else as it is written in a .gin file."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def plain(value):
    text = value if isinstance(value, str) else repr(value)
    return re.sub(r"[^\w.+,=-]+", "-", text).strip("-")
