"""What a .gin file from a stranger may say: settings of names that we know, and nothing else.

A .gin file is a program: `import` runs a module, gin's dynamic registration calls anything that
Python can import, and a reference calls a command, which writes wherever a binding says. With
`--untrusted` the files after `-c` may hold settings only; where they say where to write, they are not
listened to. What the person at the keyboard says with `-b` and `-o` is trusted, and wins.
"""

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import gin
from gin import config_parser

from audition.errors import ConfigError

HINT = "read the file, and leave --untrusted out if you trust it"
# Where something is written or deleted, relative to the working folder: configurable → parameters.
WRITES = {
    "LoudRegions": ("cache_root",),
    "build_dataset": ("cache_root",),
    "cache": ("prune",),
    "compare": ("folder",),
    "construct_symlink_folder": ("destination",),
    "instantiate": ("machine_file", "output_folder", "run_folder"),
    "listening_page": ("output",),
    "make_scaper_datasets": ("destination",),
    "make_toy_music": ("root",),
    "make_toy_speech": ("root",),
    "plot_calibration": ("segments",),
    "prepare_musdb": ("destination",),
    "resample_folder": ("destination",),
    "segment_and_separate": ("folder",),
}
NOT_CALLED = (
    *("add_clearml_logger", "add_mlflow_logger", "add_wandb_logger"),  # send to a server
    *("AsteroidModel", "DemucsModel", "OpenUnmixModel", "SpeechBrainSeparator"),  # ask one
)
COMMANDS = "audition.commands."
IN_RUN = "audition.configs.paths.in_run"  # whose path leads nowhere else


class Distrust(NamedTuple):
    """That the .gin files come from a stranger.

    Attributes:
        roots: their folders, which they may not leave.
        own: names of the bindings of the command line, which may be anything.
    """

    roots: tuple[Path, ...]
    own: frozenset[str]

    def keeps(self, path: str | Path) -> bool:
        """Whether a path lies in one of the folders."""
        if "\0" in str(path):  # which no path can hold
            return False
        return any(Path(path).resolve().is_relative_to(root) for root in self.roots)


class Settings(config_parser.ParserDelegate):
    """Reads a file's statements without looking anything up."""

    def configurable_reference(self, name, evaluate):
        return None

    def macro(self, name):
        return None


def check_statements(text: str, path: str | Path) -> None:
    """Refuses a file that imports, before gin reads it."""
    for statement in config_parser.ConfigParser(text, Settings()):
        if isinstance(statement, config_parser.ImportStatement):
            raise ConfigError(
                f"{path} line {statement.location.line_num}: `{statement.format()}` runs code, which --untrusted doesn't "
                f"allow: {HINT}."
            )


def check_included(path: str | Path, distrust: Distrust) -> None:
    if not distrust.keeps(path):
        raise ConfigError(
            f"{path} lies outside the folder of the file that includes it, which --untrusted doesn't "
            f"allow: {HINT}."
        )


def outputs_elsewhere(bindings: dict[str, Any], distrust: Distrust) -> list[str]:
    """Names of the bindings that say where to write, unless that is where the files are.

    Args:
        bindings: from `configs.bindings_in_force`.
    """
    theirs = filter(is_output, bindings.keys() - distrust.own)
    return [name for name in theirs if not stays(bindings[name], bindings, distrust)]


def check_bindings(bindings: dict[str, Any], distrust: Distrust) -> None:
    """Refuses what may run a command, send something, or lead out of the files' folders.

    Args:
        bindings: from `configs.bindings_in_force`.
    """
    for name in bindings.keys() - distrust.own:
        for reference in gin.config.iterate_references({("", ""): {"": bindings[name]}}):
            check_reference(name, reference)
        for text in strings(bindings[name]):
            if leads_out(text) and not distrust.keeps(text):
                raise ConfigError(
                    f"{short(name)} = {text!r} leads out of the folder of its .gin file, which "
                    f"--untrusted doesn't allow: give a path of your own with -b '{short(name)} = …'."
                )


def check_reference(name: str, reference: Any) -> None:
    selector = reference.configurable.selector
    last = selector.rpartition(".")[2]
    if selector.startswith(COMMANDS) or last in NOT_CALLED:
        raise ConfigError(
            f"{short(name)} refers to @{last}, which --untrusted doesn't let a file call: {HINT}."
        )


def short(name: str) -> str:
    """A binding as one writes it, without the module of its configurable."""
    scopes, slash, rest = name.rpartition("/")
    selector, dot, parameter = rest.rpartition(".")
    known = gin.config._REGISTRY.minimal_selector(selector) if dot else ""
    return f"{scopes}{slash}{known}{dot}{parameter}"


def strings(value: Any) -> Iterator[str]:
    """The texts in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)


def leads_out(text: str) -> bool:
    return (
        "\0" in text
        or PurePath(text).is_absolute()
        or ".." in PurePath(text).parts
        or text.startswith("~")
    )


def is_output(name: str) -> bool:
    configurable, _, parameter = name.rpartition(".")
    return parameter in WRITES.get(configurable.rpartition("/")[2].rpartition(".")[2], ())


def stays(value: Any, bindings: dict[str, Any], distrust: Distrust) -> bool:
    """Whether an output is None, in the files' folders, in the run, or a macro for one of these."""
    if value is None:
        return True
    if isinstance(value, str):
        return distrust.keeps(value)
    selector = getattr(getattr(value, "configurable", None), "selector", None)
    if selector == "gin.macro":
        macro = value.config_key[0]
        return macro in distrust.own or stays(bindings.get(macro), bindings, distrust)
    return selector == IN_RUN
