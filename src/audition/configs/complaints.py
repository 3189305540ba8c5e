"""What gin complains of, in one sentence."""

import contextlib
import difflib
import inspect
import re
import tokenize
from pathlib import Path

import gin

from audition.configs.replaced import instead_of
from audition.errors import ConfigError

GIN_ERRORS = (ValueError, SyntaxError, OSError, ImportError, TypeError, tokenize.TokenError)


@contextlib.contextmanager
def told_in_one_sentence(origin):
    """Turns what gin raises into a ConfigError that names where it was read."""
    try:
        yield
    except GIN_ERRORS as error:
        raise ConfigError(sentence(error, origin)) from error


def sentence(error, origin):
    """One line of what, where and what to do, from gin's several."""
    text = str(error)
    if isinstance(error, tokenize.TokenError):
        return f"{origin}: a bracket or a string is never closed ({error.args[0]})."
    missing = re.search(r"^ +include +['\"](.+)['\"]", text, re.MULTILINE)
    if missing:
        path = missing.group(1)
        return f"{origin}: there is no file {path!r} to include; {remedy(path)}"
    if isinstance(error, SyntaxError):
        return f"{origin} line {error.lineno}: {error.msg}: {(error.text or '').strip()!r}."
    what = text.splitlines()[0].rstrip(". ")
    if "malformed node" in what:
        what = (
            "the value is no number, string, list, dict, @reference or %macro (strings need quotes)"
        )
    where = re.findall(r'In (?:file "(.+)",|bindings string) line (\d+)', text)
    place = f"{where[0][0] or origin} line {where[0][1]}" if where else origin
    return f"{place}: {what}{suggestion(what)}"


def remedy(path):
    """What to do about a .gin file that isn't there; one with an example beside it is to be copied."""
    example = Path(path).with_suffix(".example.gin")
    if example.is_file():
        return f"copy {example} to {path} and fill it in."
    return "check its path."


def suggestion(what):
    """`; did you mean 'train'?` where gin complains of a name with a close neighbour, else a stop."""
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


def did_you_mean(name, names):
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


def all_names(_):
    """Every configurable in full and by its last name."""
    full = [selector for selector, _ in gin.config._REGISTRY.items()]
    return [*full, *(name.rsplit(".", 1)[-1] for name in full)]


def parameters_of(name):
    """Of a configurable; of a class also those of its bases, where `**settings` go."""
    wrapped = gin.config._REGISTRY.get_match(name).wrapped
    makers = [wrapped, *(base.__init__ for base in getattr(wrapped, "__mro__", ())[1:])]
    return [parameter for maker in makers for parameter in inspect.signature(maker).parameters]


def missing_binding(text):
    """The sentence where gin complains that an argument has no value, else None."""
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


def mistaken_binding(text, bindings):
    """The sentence where Python complains of an argument that a binding gave, else None.

    gin lets any name pass where a configurable takes `**settings`, as datasets do.

    Args:
        bindings: as of `bindings_in_force`.
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
        return f"{binding}: {name} sets its {parameter} itself; take the binding out."
    hint = did_you_mean(parameter, parameters_of(name))
    return f"{binding}: {name} has no parameter {parameter!r}{hint}"
