"""How a point of a sweep is written: in a folder's name, at the top of a config, in run.json."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RULE = "# " + "-" * 96
COMPILED = "# Compiled from "  # starts the second line of a compiled config
MAX_LABEL = 200  # file systems allow 255 bytes for a folder's name


def header(point: dict[str, Any], paths: Sequence[str | Path]) -> str:
    """Comment lines at the top of the compiled config of a sweep's point or a bootstrap's round."""
    lines = [f"{COMPILED}{', '.join(map(str, paths))}."]
    lines += [f"# Differs from its siblings: {name} = {value!r}" for name, value in point.items()]
    return "\n".join([RULE, *lines, RULE, ""]) + "\n"


def label(point: dict[str, Any]) -> str:
    """The label of a run folder: the last part of each swept name and its value, joined by _.

    Values keep letters, digits and `_.+,=-`; anything else becomes `-`, so that no path trips over
    it.
    """
    parts = [f"{name.split('.')[-1]}:{plain(value)}" for name, value in point.items()]
    return "_".join(parts)[:MAX_LABEL]


def plain_point(point: dict[str, Any]) -> dict[str, Any]:
    """`point` as `run.json` stores it."""
    return {name: plain_value(value) for name, value in point.items()}


def plain_value(value: Any) -> Any:
    """`value` if JSON can hold it, else as it would be written in a .gin file."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def plain(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return re.sub(r"[^\w.+,=-]+", "-", text).strip("-")
