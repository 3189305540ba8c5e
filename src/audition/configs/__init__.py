"""Load, check, sweep, write and reread gin: the only package that looks inside gin."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gin

from audition.configs import includes
from audition.configs import untrusted as untrusted_files
from audition.configs.bound import has_network as has_network
from audition.configs.bound import raw_binding
from audition.configs.complaints import (
    missing_binding,
    mistaken_binding,
    remedy,
    told_in_one_sentence,
)
from audition.configs.macros import read_macros
from audition.errors import ConfigError
from audition.files import write_and_rename


class Loaded(NamedTuple):
    """What the command line gave: paths of the .gin files, `-b` bindings, its own words; and the
    paths of all files read, those that others include among them."""

    paths: tuple[str | Path, ...]
    bindings: tuple[str, ...]
    command_line: tuple[str, ...]
    read: tuple[str, ...]


current_run = None  # the Run whose configuration is loaded, for `in_run`
distrust = None  # Distrust of the files that are loaded; None trusts them


def load(
    paths: Sequence[str | Path],
    bindings: Sequence[str] = (),
    command_line: Sequence[str] = (),
    run: Any = None,
    untrusted: bool | None = None,
) -> Loaded:
    """Reads .gin files, then bindings; later ones win, and nothing may be left undefined.

    Args:
        paths: .gin files; an `include` is looked for beside the file it is in, then in the working
            folder.
        bindings: strings such as `"train.num_epochs = 1"`.
        command_line: its words, for `run.json`.
        run: the Run that `in_run` refers to, if any.
        untrusted: whether the files come from a stranger, see `audition.configs.untrusted`; None is
            what it was in the last call.

    Raises:
        ConfigError: a missing file, a syntax error, an unknown binding, an undefined macro, a
            value that the user still has to set, or what a stranger's file may not say.
    """
    global current_run, distrust
    gin.clear_config()
    if untrusted is not None:
        distrust = distrust_in(paths, bindings) if untrusted else None
    reader = includes.set_up(distrust)
    for path in paths:
        parse_file(Path(path))
    for binding in bindings:
        parse(binding, f"-b {binding!r}")
    finalize()
    current_run = run
    return Loaded(tuple(paths), tuple(bindings), tuple(command_line), tuple(reader.read))


def distrust_in(paths: Sequence[str | Path], bindings: Sequence[str]) -> untrusted_files.Distrust:
    """Distrust in the files, but not in the bindings beside them."""
    parse("\n".join(bindings), "-b")
    own = frozenset(bindings_in_force())
    gin.clear_config()
    return untrusted_files.Distrust(tuple(Path(path).parent.resolve() for path in paths), own)


def parse_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(f"There is no .gin file {str(path)!r}; {remedy(path)}")
    with told_in_one_sentence(str(path)):
        gin.parse_config_file(str(path))


def parse(text: str, origin: str) -> None:
    with told_in_one_sentence(origin):
        gin.parse_config(text)


def finalize() -> None:
    """Locks the configuration, provided no macro is undefined and no `%gin.REQUIRED` is left."""
    if distrust is not None:
        for name in untrusted_files.outputs_elsewhere(bindings_in_force(), distrust):
            unbind(name)
        untrusted_files.check_bindings(bindings_in_force(), distrust)
    for name, value in bindings_in_force().items():
        if "gin.REQUIRED" in repr(value):
            raise ConfigError(
                f"{name} has no value yet; set it in your env.gin or with -b '{name} = …'."
            )
    for reference in gin.config.iterate_references(gin.config._CONFIG):
        name, selector = reference.config_key
        if selector == "gin.macro" and reference.config_key not in gin.config._CONFIG:
            raise ConfigError(
                f"The macro %{name} is used but never defined; add a .gin file that "
                f"sets `{name} = …`."
            )
    gin.finalize()


def bindings_in_force() -> dict[str, Any]:
    """dict: binding as written in a .gin file (`train/build_dataset.name`, or a macro) → value."""
    found = {}
    for (scope, selector), parameters in gin.config._CONFIG.items():
        for parameter, value in parameters.items():
            if selector == "gin.macro":
                found[scope] = value
            else:
                found[f"{scope}/{selector}.{parameter}".lstrip("/")] = value
    return found


@gin.configurable
def sweep(parameters: dict[str, list] | None = None) -> dict[str, list] | None:
    """Bound in a .gin file: the grid from which `instantiate` makes one run folder per point.

    Args:
        parameters: dict, binding → list of values; the runs are their Cartesian product.
    """
    return parameters


def sweep_points() -> list[dict[str, Any]]:
    """List of dicts, swept binding → value; `[{}]` if nothing is swept.

    Values are as gin parsed them: a `@reference` stays a reference.

    Raises:
        ConfigError: a value that is not a list, an empty list, or a name that doesn't exist.
    """
    parameters = raw_binding("sweep.parameters") or {}
    if not isinstance(parameters, dict):
        raise ConfigError("sweep.parameters must be a dict, binding → list of values.")
    for name, values in parameters.items():
        if not isinstance(values, (list, tuple)) or not values:
            raise ConfigError(
                f"sweep.parameters[{name!r}] must be a list with at least one value, "
                f"not {values!r}."
            )
        check_swept_name(name, f"sweep.parameters[{name!r}]")
    return [
        dict(zip(parameters, values, strict=True))
        for values in itertools.product(*parameters.values())
    ]


def round_points() -> list[dict[str, Any]]:
    """List of dicts, binding → value, of `bootstrap.rounds`; values as gin parsed them.

    Raises:
        ConfigError: not a list of dicts, or a name that doesn't exist.
    """
    rounds = raw_binding("bootstrap.rounds")
    if not isinstance(rounds, (list, tuple)) or not rounds or set(map(type, rounds)) != {dict}:
        raise ConfigError(
            "bootstrap.rounds must be a list of dicts, one per round, binding → value, such as "
            "[{'TEACHER': @PrimitiveEnsemble()}]."
        )
    for number, point in enumerate(rounds):
        for name in point:
            check_swept_name(name, f"bootstrap.rounds[{number}][{name!r}]")
    return list(rounds)


def check_swept_name(name: str, origin: str) -> None:
    """A parameter must exist, and a macro be defined: gin would silently create a mistyped one."""
    if "." in name:
        with told_in_one_sentence(origin):
            split_binding(name)
    elif (name, "gin.macro") not in gin.config._CONFIG:
        raise ConfigError(
            f"{origin} names the macro {name!r}, which no .gin file defines; correct its name."
        )
    elif name not in read_macros():
        raise ConfigError(
            f"{origin} names the macro {name!r}, which nothing reads, so all its values would do the "
            f"same; write %{name} where it should count, or leave it out."
        )


def compiled(
    points: Sequence[dict], without: Sequence[str] = ("sweep.parameters",)
) -> Iterator[str]:
    """Yields the text of one complete config per point, with that config loaded.

    All start from the same text: what is loaded, minus what the points bind and minus the bindings
    `without`, the first of which lists the points. A point's own bindings follow at the end.

    Raises:
        ConfigError: a point that gin doesn't accept, or a value that would be lost in writing.
    """
    with gin.unlock_config():
        for name in [*without, *points[0]]:
            unbind(name)
        text = text_that_holds_all()
    base = {key: dict(parameters) for key, parameters in gin.config._CONFIG.items()}
    for point in points:
        own = [f"{name} = {value!r}\n" for name, value in point.items()]
        with gin.unlock_config():
            gin.config._CONFIG.clear()
            gin.config._CONFIG.update({key: dict(parameters) for key, parameters in base.items()})
            parse("".join(own), f"a point of {without[0]}")
            finalize()
        yield text + "".join(["\n# This point:\n", *own] if own else [])


def text_that_holds_all() -> str:
    """What is loaded, except where runs go and how they are called, as text; it is then reloaded from that text.

    The text includes the file `instantiate.machine_file` instead of repeating what that binds.

    Raises:
        ConfigError: a value that gin can't write in a form it can read back.
    """
    for name in ("output_folder", "run_folder", "label"):
        unbind(f"instantiate.{name}")
    machine_file, include = raw_binding("instantiate.machine_file"), ""
    expected = bindings_in_force()
    if machine_file is not None:
        include = f"include {machine_file!r}\n\n"
        for name, value in bindings_of(include).items():
            if expected.get(name) == value:
                unbind(name)
    text = include + gin.config_str(max_line_length=100)
    gin.clear_config()
    parse(text, "the compiled config")
    written = bindings_in_force()
    for name, value in expected.items():
        if written.get(name) != value:
            raise ConfigError(f"{name} = {value!r} can't be written to a .gin file.")
    return text


def bindings_of(text: str) -> dict[str, Any]:
    """What a text binds by itself, as in `bindings_in_force`; what was loaded stays loaded."""
    held = dict(gin.config._CONFIG)
    gin.config._CONFIG.clear()
    parse(text, "instantiate.machine_file")
    found = bindings_in_force()
    gin.config._CONFIG.clear()
    gin.config._CONFIG.update(held)
    return found


def unbind(name: str) -> None:
    """Removes a binding or a macro, if there is one."""
    key, parameter = split_binding(name) if "." in name else ((name, "gin.macro"), "value")
    remaining = gin.config._CONFIG.pop(key, {})
    remaining.pop(parameter, None)
    if remaining:
        gin.config._CONFIG[key] = remaining


def split_binding(name: str) -> tuple[tuple[str, str], str]:
    """`((scope, full name of the configurable), parameter)` of a binding."""
    parsed = gin.config.ParsedBindingKey.parse(name)
    return parsed.config_key, parsed.arg_name


def write_operative(path: Path) -> str:
    """Writes the bindings used so far, defaults included, to a .gin file; returns their text."""
    text = gin.operative_config_str(max_line_length=100)
    with write_and_rename(path) as file:
        file.write(text)
    return text


def call(command: Callable, *works_on: Any) -> Any:
    """Calls `command` with its bindings; a missing or mistaken one becomes a ConfigError."""
    try:
        return command(*works_on)
    except (RuntimeError, TypeError) as error:
        told = missing_binding(str(error)) or mistaken_binding(str(error), bindings_in_force())
        if told is None:
            raise
        raise ConfigError(told) from error
