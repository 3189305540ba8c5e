"""The code that a result depends on: a hash of each of our modules, by content.

Layout, comments, docstrings, annotations of functions and the names of modules don't count, so
documenting or moving code changes no hash. Packages are known by their versions instead. What a
source says is noted in `__pycache__`, under its sha256, as to take it apart takes milliseconds.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from audition.files import Damaged, read_json, write_json
from audition.identity import Name

PACKAGE = __name__.partition(".")[0]
NOTES = Path(importlib.util.cache_from_source(__file__)).with_suffix(".json")
MAX_NOTES = 1000  # sources, the last ones; all of ours are less than a quarter
EVERYWHERE = (f"{PACKAGE}.compat.corrections", f"{PACKAGE}.compat.versions")  # patch nussl for all
NO_NUMBERS = tuple(  # shape no result: they name, tell, configure, write files and start processes
    f"{PACKAGE}.{module}"
    for module in (
        *("checksums", "configs", "device", "errors", "files", "interruption", "optional"),
        *("parallel", "process", "progress", "reports", "runs", "unfinished"),
    )
)
NOT_CODE = {  # fields of a syntax tree that shape no result
    ast.FunctionDef: ("returns",),
    ast.AsyncFunctionDef: ("returns",),
    ast.arg: ("annotation",),
    ast.Constant: ("kind",),
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_of(*descriptions: Any) -> dict[str, str]:
    """Dict, module → hash, of our modules that define the classes in these descriptions, and of all
    of ours that those import and that can shape a result.

    Args:
        descriptions: what `identity.describe` returned; or classes and functions.
    """
    waiting = {*EVERYWHERE, *modules_of(descriptions)}
    found, num_noted = {}, len(notes())
    while waiting:
        module = waiting.pop()
        if ours(module):
            found[module], imported = read(module)
            waiting |= imported - found.keys()
    if len(notes()) > num_noted:
        write_notes()
    return dict(sorted(found.items()))


def modules_of(thing: Any) -> Iterator[str]:
    """Modules of the classes and functions named anywhere in a description."""
    if isinstance(thing, Name):
        yield thing.module
    elif isinstance(thing, dict):
        yield from modules_of(list(thing.values()))
    elif isinstance(thing, list | tuple):
        for entry in thing:
            yield from modules_of(entry)
    elif hasattr(thing, "__qualname__"):
        yield thing.__module__


@functools.cache
def ours(module: str) -> bool:
    """Whether a module belongs to this project or to its user, not to Python or to a package."""
    path = source_file(module)
    if path is None or module.startswith(NO_NUMBERS):
        return False
    if module.partition(".")[0] == PACKAGE:
        return True
    paths = sysconfig.get_paths()
    return not any(path.is_relative_to(paths[key]) for key in ("stdlib", "purelib", "platlib"))


def source_file(module: str) -> Path | None:
    """The .py file of a module, which need not have been imported; None if it has none."""
    try:
        spec = getattr(sys.modules.get(module), "__spec__", None) or importlib.util.find_spec(
            module
        )
    except (ImportError, ValueError):  # optional and absent, or `__main__`
        return None
    path = Path(spec.origin) if spec is not None and spec.has_location else None
    return path if path is not None and path.suffix == ".py" else None


@functools.cache
def read(module: str) -> tuple[str, frozenset[str]]:
    """`(hash, modules that it imports)`; of the file as it is when first asked for."""
    path = source_file(module)
    source = path.read_bytes()
    key = hashlib.sha256(own_source() + source).hexdigest()
    if key not in notes():
        notes()[key] = take_apart(source)
    content, statements = notes()[key]
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    return content, frozenset(definer(package, *one) for one in statements)


@functools.cache
def own_source() -> bytes:
    """What notes are made by: others make other ones."""
    return Path(__file__).read_bytes()


@functools.cache
def notes() -> dict[str, list]:
    """sha256 of a source → what `take_apart` says of it, as this process or one before has noted."""
    with contextlib.suppress(OSError, Damaged):
        return read_json(NOTES)
    return {}


def write_notes() -> None:
    if not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):  # of an installation that may only be read
            write_json(NOTES, dict([*notes().items()][-MAX_NOTES:]))


def take_apart(source: bytes) -> list:
    """`[hash, imports]` of a module; the imports as `[leading dots, module, name]`."""
    tree = ast.parse(source)
    content = hashlib.sha256(repr(essence(tree)).encode()).hexdigest()[:16]
    return [content, list(imports(tree))]


def essence(node: Any) -> Any:
    """A syntax tree as nested lists, without what shapes no result; equal in all versions of Python."""
    if isinstance(node, list):
        return [essence(one) for one in node if not isinstance(one, ast.Import | ast.ImportFrom)]
    if not isinstance(node, ast.AST):
        return node
    fields = {
        name: value
        for name, value in ast.iter_fields(node)
        if name not in NOT_CODE.get(type(node), ()) and value is not None and value != []
    }
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = node.body[1:]
    return [type(node).__name__, *((name, essence(value)) for name, value in fields.items())]


def imports(tree: ast.Module) -> Iterator[list]:
    """`[leading dots, module, name]` of what a module imports, wherever in it; of a whole module,
    the name is None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ([0, alias.name, None] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ([node.level, node.module or "", alias.name] for alias in node.names)


def definer(package: str, level: int, module: str, name: str | None) -> str:
    """The module that defines what one of `imports` says, in a module of `package`; not the packages
    around it."""
    module = importlib.util.resolve_name("." * level + module, package)
    if name is None or module.partition(".")[0] in sys.stdlib_module_names:
        return module
    imported = getattr(sys.modules.get(module), name, None)
    if isinstance(imported, ModuleType):
        return imported.__name__
    if imported is None and source_file(f"{module}.{name}") is not None:
        return f"{module}.{name}"
    return getattr(imported, "__module__", None) or module
