"""What the two toy corpora share: optional packages, their marker file, exact sums in 16 bit."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np

from audition import files
from audition.errors import ConfigError

PEAK = 0.9  # of full scale, for the loudest signal of a mixture
FULL_SCALE = 32767


def import_toy_package(name: str) -> ModuleType:
    """A package of requirements-toy.txt, which only the commands that render the toy corpora need."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_toy_package(name) from error


def missing_toy_package(name: str) -> ConfigError:
    return ConfigError(
        f"Rendering a toy corpus needs the package {name}, which is not installed: "
        "run pip install --no-deps -r requirements-toy.txt."
    )


def claim(root: Path, marker: str, settings: dict, binding: str, version: int) -> None:
    """Marks the folder `root` as a toy corpus of these settings, or refuses another one.

    Args:
        version: int, of the code that renders; 1 wrote none into its marker.
    """
    path = root / marker
    held = files.read_json(path).get("version", 1) if path.exists() else version
    if held != version:
        raise ConfigError(
            f"{binding} = {str(root)!r} holds a toy corpus of version {held}, and version {version} "
            "sounds different: give another folder, or remove this one."
        )
    files.claim(root, marker, {"version": version, **settings}, binding, contents="a toy corpus")


def quantise(sources: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sources as 16-bit integers at one common gain, so that any sum of them is exact and unclipped.

    Args:
        sources: dict, name → float array, all of one shape.

    Returns:
        dict, name → int16 array.
    """
    loudest = np.abs(np.stack(list(sources.values()))).sum(axis=0).max()
    gain = PEAK * FULL_SCALE / max(loudest, 1e-9)
    return {name: np.rint(gain * audio).astype(np.int16) for name, audio in sources.items()}


def rms(audio: np.ndarray) -> float:
    return np.sqrt(np.mean(np.square(audio)) + 1e-12)


def from_db(level_db: float | np.ndarray) -> float | np.ndarray:
    return 10 ** (level_db / 20)
