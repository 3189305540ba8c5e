"""The rules of the map in audition/__init__.py: who may import whom, and what stays out."""

import ast
import re
from pathlib import Path

import pytest

import audition
from tests.support import road

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "audition"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 300
LEVELS = ("ground", "world", "nouns", "verbs")
CALL_COMMANDS = ("commands.pipelines", "commands.bootstrap")
SLOW_TO_IMPORT = {"torch", "nussl", "scaper", "ignite", "librosa", "museval", "musdb"}
OUTSIDE = {"tests", "notebooks", "benchmarks", "toy", "main"}
TOY_PACKAGES = {"espeakng_loader", "pretty_midi", "tinysoundfont"}  # GPL, or need what is
TOY_MODULES = {
    *("toy", "toy.rendering", "toy.acoustics", "toy.phrases", "toy.speech", "toy.music"),
    *("commands.make_toy_speech", "commands.make_toy_music"),
}


def read_map(text):
    """dict, room → its level, and the set of (noun, noun) that the arrows allow."""
    levels, level = {}, None
    for name, room in re.findall(r"^    (\w+)? +([a-z]+)/?  +\w", text, re.MULTILINE):
        level = name or level
        levels[room] = LEVELS.index(level)
    arrows = re.findall(r"^    (\w+) +→ (.*)$", text, re.MULTILINE)
    return levels, {(room, other) for room, others in arrows for other in others.split(", ")}


ROOMS, ARROWS = read_map(audition.__doc__)


def module_of(path):
    """`datasets/split.py` is "datasets.split", `datasets/__init__.py` is "datasets"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def part_of(module):
    return module.split(".")[0]


def level_of(module):
    """The level of a module's room; the table of commands in `commands/__init__.py` is data."""
    if module == "commands":
        return LEVELS.index("ground")
    assert part_of(module) in ROOMS, f"{module} is in no room of the map in audition/__init__.py"
    return ROOMS[part_of(module)]


MODULES = {module_of(path) for path in SOURCES}


def imported_names(tree):
    """Dotted names of all imports under `tree`; `from a import b` gives "a.b"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"line {node.lineno}: write `from audition.…`, not a relative import"
            )
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(tree):
    """Modules of ours that `tree` imports, without the "audition."; names inside them are cut off."""
    for name in imported_names(tree):
        if name.startswith("audition."):
            module = name.removeprefix("audition.")
            yield module if module in MODULES else module.rpartition(".")[0]


def run_on_import(tree):
    """`tree` without the bodies of its functions and what only type checkers import."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [node for node in tree.body if not isinstance(node, functions)]
    run = [node for node in found if ast.unparse(getattr(node, "test", node)) != "TYPE_CHECKING"]
    return ast.Module(run, [])


def may_import(importer, imported):
    if part_of(importer) == part_of(imported):
        table = imported == "commands"  # the table of commands, which is data
        return part_of(importer) != "commands" or importer in CALL_COMMANDS or table
    if level_of(importer) == level_of(imported) == LEVELS.index("nouns"):
        return (part_of(importer), part_of(imported)) in ARROWS
    return level_of(importer) >= level_of(imported)


@pytest.fixture(params=[path for path in SOURCES if module_of(path)], ids=module_of)
def source(request):
    """(module, tree) of each file of the package but its `__init__.py`."""
    return module_of(request.param), ast.parse(request.param.read_text())


def test_imports_point_down(source):
    module, tree = source
    wrong = [name for name in own_imports(tree) if not may_import(module, name)]
    assert not wrong, f"audition.{module} may not import {wrong}"


def test_the_ground_starts_in_a_blink(source):
    module, tree = source
    if level_of(module) == 0:
        slow = {part_of(name) for name in imported_names(run_on_import(tree))} & SLOW_TO_IMPORT
        assert not slow, f"audition.{module} imports {slow}"


def test_the_package_stands_alone(source):
    module, tree = source
    outside = {part_of(name) for name in imported_names(tree)} & OUTSIDE
    assert not outside, f"audition.{module} imports {outside}"


def test_toy_packages_stay_in_the_toy_commands(source):
    module, tree = source
    if module not in TOY_MODULES:
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        named = TOY_PACKAGES & ({part_of(name) for name in imported_names(tree)} | strings)
        borrowed = TOY_MODULES & set(own_imports(tree))
        assert not named and not borrowed, f"audition.{module} uses {named | borrowed}"


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
        assert not private, f"audition.{module} uses {private}"


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_modules_are_short(path):
    num_lines = len(path.read_text().splitlines())
    assert num_lines < MAX_LINES, f"{path} has {num_lines} lines: a noun that grows is a folder"


@pytest.mark.parametrize("recipe", road.recipes())
def test_recipes_are_not_packages(recipe):
    """musdb/__init__.py would shadow the package `musdb` that nussl imports."""
    assert not (ROOT / recipe / "__init__.py").exists()


def test_the_map_has_a_line_for_each_room_and_no_other():
    assert set(ROOMS) == {part_of(module) for module in MODULES} - {""}


def test_rules_tell_right_from_wrong():
    assert may_import("handlers.schedule", "training.state")
    assert may_import("commands.pipelines", "commands.train")
    assert may_import("datasets.split", "datasets.filters")
    assert not may_import("losses", "models")
    assert not may_import("files", "audio.stft")
    assert not may_import("commands.train", "commands.cache")
    assert not may_import("separators.loop", "bootstrap.confidence")


def test_a_module_that_is_on_no_map_is_told():
    with pytest.raises(AssertionError, match="attic.boxes is in no room of the map"):
        level_of("attic.boxes")
