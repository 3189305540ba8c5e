"""An import hook that enters context managers around an import and calls functions after it."""

import contextlib
import importlib
import importlib.machinery
import types
from collections.abc import Callable, Sequence
from typing import Any


class ImportHook:
    """Finds modules as Python does, and patches those named in two tables when they execute.

    Args:
        around: module -> names of context managers, each "file.function" of this folder.
        after: module -> names of functions that take the module.
    """

    def __init__(self, around: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]]):
        self.around = around
        self.after = after

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.around and fullname not in self.after:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            self._patch_when_executed(spec.loader, fullname)
        return spec

    def _patch_when_executed(self, loader, fullname):
        execute = loader.exec_module

        def execute_and_patch(module):
            with contextlib.ExitStack() as stack:
                for name in self.around.get(fullname, ()):
                    stack.enter_context(find_patch(name)())
                execute(module)
            for name in self.after.get(fullname, ()):
                find_patch(name)(module)

        loader.exec_module = execute_and_patch  # a loader serves one module, so this stays local


def find_patch(name: str) -> Callable:
    """The function `name` ("file.function") of this folder, whose file is imported only now."""
    file, function = name.split(".")
    return getattr(importlib.import_module(f"{__package__}.{file}"), function)


class SeenThrough(types.ModuleType):
    """A module with a few names replaced; all others are looked up in the real one when used."""

    def __init__(self, module: types.ModuleType, **replaced: Any):
        super().__init__(module.__name__)
        self.__dict__.update(replaced, _module=module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_module"], name)
