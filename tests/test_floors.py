"""The import rules of DESIGN.md 2, read from the source: who may import whom, and what stays out."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_LINES = 300

FLOORS = {
    0: {
        "errors",
        "configs",
        "runs",
        "files",
        "folders",
        "parallel",
        "journal",
        "passports",
        "status",
        "sweep_points",
    },
    1: {
        "compat",
        "hparams",
        "memory",
        "registry",
        "estimates",
        "signals",
        "spectral",
        "rendering",
        "speaking",
        "composing",
        "waveforms",
        "costs",
    },
    2: {
        *("models", "losses", "features", "datasets"),
        *("handlers", "separators", "metrics", "checkpoints", "pages"),
    },
    3: {"commands"},
}
NOUN_TO_NOUN = {("handlers", "checkpoints")}
SLOW_TO_IMPORT = {"torch", "nussl", "scaper", "ignite", "librosa", "museval", "musdb"}
OUTSIDE_SRC = {"tests", "notebooks", "benchmarks", "toy", "main"}
TOY_PACKAGES = {"espeakng_loader", "pretty_midi", "tinysoundfont"}  # GPL, or need what is
TOY_MODULES = {
    *("rendering", "speaking", "composing"),
    *("commands.make_toy_speech", "commands.make_toy_music"),
}


def module_of(path):
    """`src/datasets/corpus.py` is "datasets.corpus", `src/datasets/__init__.py` is "datasets"."""
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def part_of(module):
    return module.split(".")[0]


def floor_of(module):
    """The floor of a module; the table of commands in `commands/__init__.py` is data, so floor 0."""
    if module == "commands":
        return 0
    floors = [floor for floor, parts in FLOORS.items() if part_of(module) in parts]
    assert floors, f"src/{module} stands on no floor: add it to FLOORS in {Path(__file__).name}"
    return floors[0]


MODULES = {module_of(path) for path in SOURCES}


def imported_names(tree):
    """Dotted names of all imports under `tree`; `from a import b` gives "a.b"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write `from src.…`, not a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(tree):
    """Modules of src that `tree` imports, without the "src."; names inside them are cut off."""
    for name in imported_names(tree):
        if name.startswith("src."):
            module = name.removeprefix("src.")
            yield module if module in MODULES else module.rpartition(".")[0]


def run_on_import(tree):
    """`tree` without the bodies of its functions."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return ast.Module([node for node in tree.body if not isinstance(node, functions)], [])


def may_import(importer, imported):
    if part_of(importer) == part_of(imported) and part_of(importer) != "commands":
        return True
    if floor_of(importer) == floor_of(imported) == 3:
        return importer == "commands.pipelines"
    if floor_of(importer) == floor_of(imported) == 2:
        return (part_of(importer), part_of(imported)) in NOUN_TO_NOUN
    return floor_of(importer) >= floor_of(imported)


@pytest.fixture(params=[path for path in SOURCES if module_of(path)], ids=module_of)
def source(request):
    """(module, tree) of each file of src but its `__init__.py`."""
    return module_of(request.param), ast.parse(request.param.read_text())


def test_imports_point_down(source):
    module, tree = source
    wrong = [name for name in own_imports(tree) if not may_import(module, name)]
    assert not wrong, f"src.{module} may not import {wrong}"


def test_floor_0_starts_in_a_blink(source):
    module, tree = source
    if floor_of(module) == 0:
        slow = {part_of(name) for name in imported_names(run_on_import(tree))} & SLOW_TO_IMPORT
        assert not slow, f"src.{module} imports {slow}"


def test_src_stands_alone(source):
    module, tree = source
    outside = {part_of(name) for name in imported_names(tree)} & OUTSIDE_SRC
    assert not outside, f"src.{module} imports {outside}"


def test_toy_packages_stay_in_the_toy_commands(source):
    module, tree = source
    if module not in TOY_MODULES:
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        named = TOY_PACKAGES & ({part_of(name) for name in imported_names(tree)} | strings)
        borrowed = TOY_MODULES & set(own_imports(tree))
        assert not named and not borrowed, f"src.{module} uses {named | borrowed}"


def test_only_configs_touches_the_insides_of_gin(source):
    module, tree = source
    if part_of(module) != "configs":
        private = [
            f"gin.config.{node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and ast.unparse(node.value) in ("gin", "gin.config")
        ]
        private += [n for n in imported_names(tree) if n.startswith("gin.") and "._" in n]
        assert not private, f"src.{module} uses {private}"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_modules_are_short(path):
    num_lines = len(path.read_text().splitlines())
    assert num_lines < MAX_LINES, f"{path} has {num_lines} lines: a noun that grows is a folder"


@pytest.mark.parametrize("recipe", ["musdb", "wham", "toy"])
def test_recipes_are_not_packages(recipe):
    """musdb/__init__.py would shadow the package `musdb` that nussl imports."""
    assert not (ROOT / recipe / "__init__.py").exists()


def test_rules_tell_right_from_wrong():
    assert may_import("handlers.schedule", "checkpoints")
    assert may_import("commands.pipelines", "commands.train")
    assert may_import("datasets.corpus", "datasets.filters")
    assert not may_import("losses", "models")
    assert not may_import("files", "spectral")
    assert not may_import("commands.train", "commands.cache")
