"""Load, check, sweep, write and re-read gin: the only module that looks inside gin."""

import itertools
from pathlib import Path
from typing import NamedTuple

import gin

from audition.configs import includes
from audition.configs.complaints import (
    missing_binding,
    mistaken_binding,
    remedy,
    told_in_one_sentence,
)
from audition.errors import ConfigError
from audition.files import write_and_rename


class Loaded(NamedTuple):
    """What the command line loaded: paths of the .gin files, `-b` bindings, the command line."""

    paths: tuple[str | Path, ...]
    bindings: tuple[str, ...]
    command_line: tuple[str, ...]


current_run = None  # the Run that the configuration in force is of, for `in_run`


def load(paths, bindings=(), command_line=(), run=None) -> Loaded:
    """Reads .gin files, later ones win, then bindings; nothing is left undefined afterwards.

    Args:
        paths: .gin files; an `include` in one is looked for beside it, then in the working folder.
        bindings: strings such as `"train.num_epochs = 1"`.
        command_line: words of the command, for `run.json`.
        run: the Run that `in_run` means, if any.

    Raises:
        ConfigError: a missing file, a syntax error, an unknown binding, an undefined macro, a value
            that the user still has to give.
    """
    global current_run
    gin.clear_config()
    includes.set_up()
    for path in paths:
        parse_file(Path(path))
    for binding in bindings:
        parse(binding, f"-b {binding!r}")
    finalize()
    current_run = run
    return Loaded(tuple(paths), tuple(bindings), tuple(command_line))


def parse_file(path):
    if not path.is_file():
        raise ConfigError(f"There is no .gin file {str(path)!r}; {remedy(path)}")
    with told_in_one_sentence(str(path)):
        gin.parse_config_file(str(path))


def parse(text, origin):
    with told_in_one_sentence(origin):
        gin.parse_config(text)


def finalize():
    """Locks the configuration, where no macro is undefined and no `%gin.REQUIRED` is left."""
    for name, value in bindings_in_force().items():
        if "gin.REQUIRED" in repr(value):
            raise ConfigError(
                f"{name} has no value yet; set it in your env.gin or with -b '{name} = …'."
            )
    for reference in gin.config.iterate_references(gin.config._CONFIG):
        name, selector = reference.config_key
        if selector == "gin.macro" and reference.config_key not in gin.config._CONFIG:
            raise ConfigError(
                f"The macro %{name} is used but never defined; give a .gin file with "
                f"`{name} = …` too."
            )
    gin.finalize()


def bindings_in_force():
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
def sweep(parameters=None):
    """Bound in a .gin file: what `instantiate` makes one run folder per point of.

    Args:
        parameters: dict, binding → list of values; the runs are their Cartesian product.
    """
    return parameters


def sweep_points():
    """List of dicts, swept binding → value; `[{}]` where nothing is swept.

    Values are as gin parsed them: a `@reference` stays a reference.

    Raises:
        ConfigError: a value that is no list, an empty list, a name that nothing has.
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


def raw_binding(name):
    try:
        return gin.query_parameter(name)
    except ValueError:
        return None


def round_points():
    """List of dicts, binding → value, of `bootstrap.rounds`; values as gin parsed them.

    Raises:
        ConfigError: no list of dicts, or a name that nothing has.
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


def check_swept_name(name, origin):
    """A binding must exist as a parameter; a macro must be defined, else a typo would make one."""
    if "." in name:
        with told_in_one_sentence(origin):
            split_binding(name)
    elif (name, "gin.macro") not in gin.config._CONFIG:
        raise ConfigError(
            f"{origin} names the macro {name!r}, which no .gin file defines; correct it."
        )


def compiled(points, without=("sweep.parameters",)):
    """Yields the text of one complete config per point, and leaves it loaded.

    All start from the same text: what is loaded, without what the points bind and without the
    bindings `without`, the first of which lists the points; a point's own bindings follow at the end.

    Raises:
        ConfigError: a point that gin doesn't accept, or a value that is lost in writing.
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


def text_that_holds_all():
    """What is loaded, but for where runs go, as text; loaded anew from that text.

    What `instantiate.machine_file` binds, the text includes.

    Raises:
        ConfigError: a value that gin can't write so that it reads it again.
    """
    for name in ("instantiate.output_folder", "instantiate.run_folder"):
        unbind(name)
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


def bindings_of(text):
    """What a text binds by itself, as `bindings_in_force`; what is loaded stays."""
    held = dict(gin.config._CONFIG)
    gin.config._CONFIG.clear()
    parse(text, "instantiate.machine_file")
    found = bindings_in_force()
    gin.config._CONFIG.clear()
    gin.config._CONFIG.update(held)
    return found


def unbind(name):
    """Forgets a binding or a macro, where there is one."""
    key, parameter = split_binding(name) if "." in name else ((name, "gin.macro"), "value")
    remaining = gin.config._CONFIG.pop(key, {})
    remaining.pop(parameter, None)
    if remaining:
        gin.config._CONFIG[key] = remaining


def split_binding(name):
    """`((scope, full name of the configurable), parameter)` of a binding."""
    parsed = gin.config.ParsedBindingKey.parse(name)
    return parsed.config_key, parsed.arg_name


def reachable(name):
    """Text of all that the value bound to `name` depends on: references, their bindings, macros.

    Two configs with the same text here give that argument the same value. "" where `name` isn't
    bound.
    """
    bound = raw_binding(name)
    waiting, seen = [bound], {}
    while waiting:
        for reference in gin.config.iterate_references({("", ""): {"": waiting.pop()}}):
            selector = reference.configurable.selector
            for key, parameters in gin.config._CONFIG.items():
                # a macro is its scope; of the rest, any scope may be the one it is called in
                fits = key[1] == selector and (
                    selector != "gin.macro" or key == reference.config_key
                )
                if fits and key not in seen:
                    seen[key] = parameters
                    waiting += parameters.values()
    return "" if bound is None else repr((bound, sorted(seen.items(), key=repr)))


def write_operative(path):
    """Writes the bindings that were used so far, defaults included, to a .gin file."""
    text = gin.operative_config_str(max_line_length=100)
    with write_and_rename(path) as file:
        file.write(text)
    return text


def call(command, *works_on):
    """`command(*works_on)` with its bindings; a missing or mistaken one becomes a ConfigError."""
    try:
        return command(*works_on)
    except (RuntimeError, TypeError) as error:
        told = missing_binding(str(error)) or mistaken_binding(str(error), bindings_in_force())
        if told is None:
            raise
        raise ConfigError(told) from error
