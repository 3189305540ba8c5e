"""What gin complains about, in one sentence."""

import contextlib
import difflib
import inspect
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gin

from audition.configs.replaced import instead_of
from audition.errors import ConfigError

GIN_ERRORS = (
    *(ValueError, SyntaxError, OSError, ImportError, TypeError, RecursionError),
    tokenize.TokenError,
)
NO_VALUE = (
    "the value is not a number, string, list, dict, @reference or %macro (strings need quotes)"
)


@contextlib.contextmanager
def told_in_one_sentence(origin: str) -> Iterator[None]:
    """Turns what gin raises into a ConfigError that says where it was read."""
    try:
        yield
    except GIN_ERRORS as error:
        raise ConfigError(sentence(error, origin)) from error


def sentence(error: Exception, origin: str) -> str:
    """One line that says where, what, and what to do, made from gin's several."""
    text = str(error)
    if isinstance(error, tokenize.TokenError):
        return f"{origin}: a bracket or a string is never closed ({error.args[0]})."
    missing = re.search(r"^ +include +['\"](.+)['\"]", text, re.MULTILINE)
    if missing:
        path = missing.group(1)
        return f"{origin}: there is no file {path!r} to include; {remedy(path)}"
    if isinstance(error, SyntaxError):
        what = NO_VALUE if "malformed node" in error.msg else error.msg
        return f"{origin} line {error.lineno}: {what}: {(error.text or '').strip()!r}."
    what = text.splitlines()[0].rstrip(". ")
    where = re.findall(r'In (?:file "(.+)",|bindings string) line (\d+)', text)
    place = f"{where[0][0] or origin} line {where[0][1]}" if where else origin
    return f"{place}: {what}{suggestion(what)}"


def remedy(path: str | Path) -> str:
    """What to do about a missing .gin file: copy the example beside it, if there is one."""
    example = Path(path).with_suffix(".example.gin")
    if example.is_file():
        return f"copy {example} to {path} and fill it in."
    return "check its path."


def suggestion(what: str) -> str:
    """`; did you mean 'train'?` if gin complains about a name close to a known one, else a stop."""
    patterns = {
        r"No configurable matching '(?:.*/)?([^']+)'": all_names,
        r"No configurable matching reference '@(?:.*/)?([^'()]+)": all_names,
        r"Configurable '([^']+)' doesn't have a parameter named '([^']+)'": parameters_of,
    }
    for pattern, names in patterns.items():
        if unknown := re.search(pattern, what):
            name = unknown[unknown.lastindex]
            remedy = instead_of(name)
            return f": {remedy}." if remedy else did_you_mean(name, names(unknown[1]))
    return "."


def did_you_mean(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


def all_names(_: str) -> list[str]:
    """Every configurable, by its full name and by its last part."""
    full = [selector for selector, _ in gin.config._REGISTRY.items()]
    return [*full, *(name.rsplit(".", 1)[-1] for name in full)]


def parameters_of(name: str) -> list[str]:
    """Parameters of a configurable; of a class also those of its bases, which get `**settings`."""
    wrapped = gin.config._REGISTRY.get_match(name).wrapped
    makers = [wrapped, *(base.__init__ for base in getattr(wrapped, "__mro__", ())[1:])]
    return [parameter for maker in makers for parameter in inspect.signature(maker).parameters]


def missing_binding(text: str) -> str | None:
    """The sentence if gin complains that an argument has no value, else None."""
    match = re.match(r"Required bindings for `(.+?)` not provided in config: \['?(\w+)", text)
    found = match and match.groups()
    if match is None:
        match = re.search(
            r"No values supplied by Gin or caller for arguments: \['(\w+)'(?:.|\n)*?"
            r"In call to configurable '(\w+)'",
            text,
        )
        found = match and match.group(2, 1)
    if found is None:
        return None
    binding = ".".join(found)
    return f"{binding} is required but not bound; add `{binding} = …` to a .gin file."


def mistaken_binding(text: str, bindings: dict[str, Any]) -> str | None:
    """The sentence if Python complains about an argument that a binding gave, else None.

    gin lets any name pass if a configurable takes `**settings`, as datasets do.

    Args:
        bindings: from `bindings_in_force`.
    """
    match = re.search(
        r"got (an unexpected keyword argument|multiple values for keyword argument) '(\w+)'"
        r"(?:.|\n)*?In call to configurable '([\w.]+)'",
        text,
    )
    if match is None:
        return None
    problem, parameter, name = match.groups()
    written = re.compile(rf"(.*/)?(.*\.)?{name}\.{parameter}")
    found = next(filter(None, map(written.fullmatch, bindings)), None)
    if found is None:
        return None
    binding = f"{found[1] or ''}{name}.{parameter}"
    if problem.startswith("multiple"):
        return f"{binding}: {name} sets its {parameter} itself; remove the binding."
    hint = did_you_mean(parameter, parameters_of(name))
    return f"{binding}: {name} has no parameter {parameter!r}{hint}"
