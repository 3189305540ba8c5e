"""The road as a person walks it: main.py, in this process or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import main
from audition.runs.folder import Run

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ["toy/env.gin", "wham/wham8k.gin", "tests/exp/tiny.gin"]


def recipes():
    """Names of the folders that hold a recipe: those with an env.gin or an example of one."""
    return sorted({path.parent.name for path in ROOT.glob("*/env*.gin")})


def call(command, *words, check=True):
    """Exit code of `main.py command -c …`; paths and words that end in .gin are configs."""
    code = main.main(arguments(command, *words))
    assert not check or code == 0
    return code


def arguments(command, *words):
    configs = [str(word) for word in words if isinstance(word, Path) or word.endswith(".gin")]
    flags = [word for word in words if str(word).startswith("--")]
    bindings = [str(word) for word in words if str(word) not in (*configs, *flags)]
    return [command, "-c", *configs, *(flag for text in bindings for flag in ("-b", text)), *flags]


def instantiate(speech, folder, *words):
    """Runs of the tiny experiment, in `folder/out`, with a cache root in `folder`."""
    paths = [f"WHAM_ROOT = '{speech}'", f"CACHE_ROOT = '{folder / 'cache'}'"]
    out = f"instantiate.output_folder = '{folder / 'out'}'"
    call("instantiate", *RECIPE, *paths, out, *words)
    return [Run(path) for path in sorted((folder / "out").glob("run[0-9]*"))]


def spawn(*words, **environment):
    """The finished `python main.py …` with its output as text."""
    return subprocess.run(
        [sys.executable, "main.py", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
    )


def python(*words):
    """The finished `python …` in the root of the project."""
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
