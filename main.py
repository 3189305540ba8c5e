#!/usr/bin/env python3
"""Source separation experiments: read the command line, load the .gin files, call one command."""

import argparse
import difflib
import importlib
import sys
from contextlib import nullcontext
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036, users of an older one should read a sentence
    print(f"main.py needs Python 3.11 or newer; this is {sys.version.split()[0]}.", file=sys.stderr)
    sys.exit(2)
sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))  # works without being installed

from audition.commands import ASIDE, COMMANDS, FOLDERS, NEED_A_RUN, module_name
from audition.commands.manual import manual
from audition.errors import ConfigError, fault_of_the_system, sentence
from audition.interruption import Interrupted, listening


def make_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {command.text}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="main.py",
        usage="main.py [-h] [-c CONFIG [CONFIG ...]] [-o OUTPUT_FOLDER] [-b BINDING] [--untrusted] func",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
        epilog=f"func is one of:\n{listing}",
    )
    parser.add_argument("func", help="the command, before or after the options")
    parser.add_argument(
        "-c", "--config", nargs="+", action="extend", default=[], help=".gin files; later ones win"
    )
    parser.add_argument(
        "-o",
        "--output_folder",
        help="where instantiate makes run folders; by default exp/out/<exp>",
    )
    parser.add_argument(
        "-b", "--binding", action="append", default=[], help="one more binding; may be repeated"
    )
    parser.add_argument(
        "--list", action="store_true", help="with cache: says what was packed, for whom, how large"
    )
    parser.add_argument(
        "--prune",
        nargs="*",
        metavar="NAME",
        help="with cache: deletes what no run reads any more, or the caches named",
    )
    parser.add_argument(
        "--untrusted",
        action="store_true",
        help="the .gin files come from a stranger: settings only, no code, no path out of their folder",
    )
    return parser


def command_first(argv: list[str]) -> list[str]:
    """Moves the command to the front: `-c a.gin b.gin train` would swallow it as a config.

    A last word that is neither a command nor a .gin file is taken to be a mistyped command.
    """
    for place, word in enumerate(argv):
        valued = place > 0 and argv[place - 1] in ("-o", "--output_folder", "-b", "--binding")
        last = place == len(argv) - 1 and not word.startswith("-") and not word.endswith(".gin")
        if not valued and (word in COMMANDS or last):
            return [word, *argv[:place], *argv[place + 1 :]]
    return argv


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = make_parser()
    if not argv:
        parser.error("give a command and its .gin files; main.py --help lists the commands")
    if asked := [word for word in argv if word in COMMANDS and {"-h", "--help"} & set(argv)]:
        print(manual(asked[0]), end="")
        parser.exit()
    arguments = parser.parse_args(command_first(argv))
    if arguments.func not in COMMANDS:
        close = difflib.get_close_matches(arguments.func, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "main.py --help lists them."
        parser.error(f"there is no command {arguments.func!r}; {hint}")
    if arguments.func != "cache" and (arguments.list or arguments.prune is not None):
        parser.error("--list and --prune belong to cache.")
    return arguments


def bindings_of(arguments: argparse.Namespace) -> list[str]:
    """The -b bindings, and those that other flags stand for."""
    bindings = list(arguments.binding)
    if arguments.output_folder:
        bindings.append(f"instantiate.output_folder = {arguments.output_folder!r}")
    if arguments.list:
        bindings.append("cache.list = True")
    if arguments.prune is not None:
        bindings.append(f"cache.prune = {arguments.prune or True}")
    if arguments.list or arguments.prune is not None:
        bindings.append("cache.datasets = ()")  # they need not be there
    return bindings


def import_packages() -> None:
    """Imports what every command needs, or says what is missing from this Python.

    Raises:
        ConfigError: a package that requirements.txt lists is not installed.
    """
    try:
        importlib.import_module("audition.registry").register()
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the package {error.name} is not installed in {sys.executable}; activate the "
            "environment (`source .venv/bin/activate` or `conda activate bootstrapping`), or make "
            "it as the README says."
        ) from error


def run_command(arguments: argparse.Namespace, argv: list[str]) -> None:
    from audition import configs
    from audition.files import check_links
    from audition.runs.folder import compiled_configs, find_run, find_runs, require, warn_if_edited
    from audition.runs.journal import journal
    from audition.runs.status import recorded

    command = getattr(importlib.import_module(module_name(arguments.func)), arguments.func)
    if COMMANDS[arguments.func].works_on == FOLDERS:
        with journal(None, arguments.func):
            command(arguments.config)
        return
    paths = list(compiled_configs(arguments.config))
    run = find_run(paths)
    if arguments.untrusted:
        for one in find_runs(paths):
            check_links(one.folder)
    loaded = configs.load(
        paths, bindings_of(arguments), ("main.py", *argv), run, arguments.untrusted
    )
    given = {"run": run, "run_if_given": run, "runs": find_runs(paths), "loaded": loaded}
    works_on = [given.get(name) for name in COMMANDS[arguments.func].works_on]
    if arguments.func not in NEED_A_RUN:
        with journal(None, arguments.func):
            warn_if_edited(given["runs"])
            configs.call(command, *works_on)
        return
    require(run, arguments.func, paths)
    status = nullcontext() if arguments.func in ASIDE else recorded(run, arguments.func)
    with status, journal(run, arguments.func):
        warn_if_edited([run])
        configs.call(command, *works_on)
        configs.write_operative(run.operative(arguments.func))


def told(arguments: argparse.Namespace, error: ConfigError) -> int:
    print(f"main.py {arguments.func}: {sentence(error)}", file=sys.stderr)
    return 2


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 some items failed, 2 a mistake in the command line or the .gin files,
    75 a signal asked for an end, 130 Ctrl-C did."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = parse_arguments(argv)
    try:
        with listening():
            return carry_out(arguments, argv)
    except Interrupted as stop:
        print(f"main.py {arguments.func}: {stop}; {how_to_go_on(arguments)}.", file=sys.stderr)
        return stop.exit_code


def how_to_go_on(arguments: argparse.Namespace) -> str:
    trains = arguments.func in ("train", "all", "resume")
    return f"{'resume' if trains else 'the same command'} goes on from there"


def carry_out(arguments: argparse.Namespace, argv: list[str]) -> int:
    try:
        import_packages()
    except ConfigError as error:
        return told(arguments, error)
    from audition.parallel import ItemsFailed

    try:
        run_command(arguments, argv)
    except ConfigError as error:
        return told(arguments, error)
    except ItemsFailed as error:
        print(f"main.py {arguments.func}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    except OSError as error:
        if (why := fault_of_the_system(error)) is None:
            raise
        return told(arguments, ConfigError(why))
    return 0


if __name__ == "__main__":
    sys.exit(main())
