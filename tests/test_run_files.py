"""`Run` owns every file name in a run folder: no other module spells one."""

import ast
from pathlib import Path

import pytest

from audition.runs.folder import Run

ROOT = Path(__file__).parent.parent
OWNER = ROOT / "src/audition/runs/folder.py"
SOURCES = [ROOT / "main.py", *sorted((ROOT / "src").rglob("*.py"))]


def paths_in_run():
    """Of each path that Run knows, what follows its folder; `{}` where an argument goes."""
    here, found = Run(Path()), [vars(Run)[name] for name in vars(Run) if not name.startswith("_")]
    properties = [one.fget(here) for one in found if isinstance(one, property)]
    methods = [one(here, "{}") for one in found if callable(one)]
    answers = [*properties, *(one.folder if isinstance(one, Run) else one for one in methods)]
    return [path for path in answers if isinstance(path, Path)]


PARTS = {part for path in paths_in_run() for part in path.parts}
FILES = {part for part in PARTS if "." in part or "{}" in part}


def text_of(node):
    """A string as it is written, with `{}` for what is put in; None of what is no string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "{}" for part in node.values)
    return None


def paths_spelled(tree):
    """What is joined to a path: after a `/`, or in the call of Path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield from (node.left, node.right)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("Path", "os.path.join"):
            yield from node.args


def names_spelled(tree):
    """The file names of Run that a module spells; its folders only where they are part of a path, as
    words like "results" mean other things, too."""
    strings = [text_of(node) for node in ast.walk(tree)]
    files = {part for text in filter(None, strings) for part in text.split("/")} & FILES
    paths = filter(None, map(text_of, paths_spelled(tree)))
    return files | ({part for text in paths for part in text.split("/")} & PARTS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_run_spells_its_file_names(path):
    spelled = names_spelled(ast.parse(path.read_text()))
    if path == OWNER:
        assert {"config.gin", "run.json", "operative.{}.gin"} <= spelled
    else:
        assert not spelled, (
            f"{path} spells {sorted(spelled)}: ask Run in runs/folder.py for the path"
        )


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ('run.folder / "status.json"', {"status.json"}),
        ('MODEL = "checkpoints/best.model.pth"', {"best.model.pth"}),
        ('Path(folder, "results")', {"results"}),
        ('folder / f"operative.{command}.gin"', {"operative.{}.gin"}),
        ('for one in f"round{n}", "lots": pass', {"round{}"}),
        ('"delete its status.json"; {"results": 0}; folder / "mix"', set()),
    ],
)
def test_names_are_found(code, names):
    assert names_spelled(ast.parse(code)) == names
