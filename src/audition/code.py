"""The code that a result depends on: a hash of each of our modules, by content.

Layout, comments, docstrings, annotations of functions and the names of modules don't count, so
documenting or moving code changes no hash. Packages are known by their versions instead.
"""

import ast
import functools
import hashlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from audition.identity import Name

PACKAGE = __name__.partition(".")[0]
EVERYWHERE = (f"{PACKAGE}.compat.corrections", f"{PACKAGE}.compat.versions")  # patch nussl for all
NO_NUMBERS = tuple(  # shape no result: they name, tell, configure, write files and start processes
    f"{PACKAGE}.{module}"
    for module in (
        *("checksums", "configs", "device", "errors", "files", "interruption", "parallel"),
        *("process", "progress", "reports", "runs", "unfinished"),
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
    found = {}
    while waiting:
        module = waiting.pop()
        if ours(module):
            found[module], imported = read(module)
            waiting |= imported - found.keys()
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
    tree = ast.parse(path.read_bytes())
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    content = hashlib.sha256(repr(essence(tree)).encode()).hexdigest()[:16]
    return content, frozenset(imports(tree, package))


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


def imports(tree: ast.Module, package: str) -> Iterable[str]:
    """Modules that define what a module imports, wherever in it; not the packages around them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (definer(base, alias.name) for alias in node.names)


def definer(module: str, name: str) -> str:
    """The module that defines what `from module import name` imports."""
    if module.partition(".")[0] in sys.stdlib_module_names:
        return module
    imported = getattr(sys.modules.get(module), name, None)
    if isinstance(imported, ModuleType):
        return imported.__name__
    if imported is None and source_file(f"{module}.{name}") is not None:
        return f"{module}.{name}"
    return getattr(imported, "__module__", None) or module
