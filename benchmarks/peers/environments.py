"""An environment per toolkit: a folder with its own packages, then those of the project's environment.

    python -m benchmarks.peers.environments

Each has what its file in pins/ lists, without dependencies. Whatever it doesn't have, above all
torch and NumPy, comes from the environment that made it, so that all sides compute with the same.
"""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

PINS = Path(__file__).parent / "pins"
ROOT = Path(".peers")
NAMES = sorted(path.stem for path in PINS.glob("*.txt"))


def python_of(name: str) -> str:
    """The interpreter of an environment; the project's own for what has no pins."""
    return str((ROOT / name / "bin/python").absolute()) if name in NAMES else sys.executable


def make(name: str) -> None:
    """Makes an environment, unless it is there with today's pins."""
    pins, done = PINS / f"{name}.txt", ROOT / name / "installed"
    if done.exists() and done.read_text() == pins.read_text():
        return
    print(f"Installing {name} into {ROOT / name}", flush=True)
    venv.create(ROOT / name, clear=True, symlinks=True)
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(ROOT / name)}))
    shared = sysconfig.get_path("purelib")
    (purelib / "shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n")
    install = ("install", "--quiet", "--no-deps", "--requirement", str(pins))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    subprocess.run([*pip, "--python", python_of(name), *install], check=True)
    without_libraries(purelib / "torchaudio")
    done.write_text(pins.read_text())


def without_libraries(torchaudio: Path) -> None:
    """Leaves torchaudio's Python alone: its libraries are of another torch and fail to load, and
    nothing here calls them."""
    for library in torchaudio.glob("lib/*.so"):
        library.unlink()


if __name__ == "__main__":
    for name in NAMES:
        make(name)
