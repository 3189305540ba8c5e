"""How a point of a sweep is written: in a folder's name, at the top of a config, in run.json."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audition.errors import ConfigError

RULE = "# " + "-" * 96
COMPILED = "# Compiled from "  # starts the second line of a compiled config
MAX_LABEL = 200  # file systems allow 255 bytes for a folder's name
FORM = "{name}:{value}"  # of one part of a label


def header(point: dict[str, Any], paths: Sequence[str | Path]) -> str:
    """Comment lines at the top of the compiled config of a sweep's point or a bootstrap's round."""
    names = ", ".join(map(str, paths)).replace("\n", " ")  # a line break would end the comment
    lines = [f"{COMPILED}{names}."]
    lines += [f"# Differs from its siblings: {name} = {value!r}" for name, value in point.items()]
    return "\n".join([RULE, *lines, RULE, ""]) + "\n"


def label(point: dict[str, Any], form: str = FORM) -> str:
    """The label of a run folder: the last part of each swept name and its value, joined by _.

    Values keep letters, digits and `_.+,=-`; anything else becomes `-`, so that no path trips over
    it.

    Args:
        form: how a name and its value are put together.
    """
    parts = [
        form.format(name=name.split(".")[-1], value=plain(value)) for name, value in point.items()
    ]
    return "_".join(parts)[:MAX_LABEL]


def check_form(form: str) -> None:
    """A form of labels must fill in names and values, and make folders that no path trips over.

    Raises:
        ConfigError: it doesn't.
    """
    try:
        one, other = (form.format(name="name", value=value) for value in "01")
    except (AttributeError, IndexError, KeyError, ValueError):
        one = other = ""
    if one == other or not re.fullmatch(r"[\w.+,=:@-]+", one):
        raise ConfigError(
            f"instantiate.label = {form!r} must hold {{value}}, may hold {{name}}, and consists of "
            "letters, digits and _.+,=:@- besides; bind, for instance, '{name}={value}'."
        )


def plain_point(point: dict[str, Any]) -> dict[str, Any]:
    """`point` as `run.json` stores it."""
    return {name: plain_value(value) for name, value in point.items()}


def plain_value(value: Any) -> Any:
    """`value` if JSON can hold it, else as it would be written in a .gin file."""
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def plain(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return re.sub(r"[^\w.+,=-]+", "-", text).strip("-")
