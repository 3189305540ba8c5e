"""What the two toy corpora share: optional packages, their marker file, exact sums in 16 bit."""

import importlib

import numpy as np
import soundfile

from src.errors import ConfigError
from src.files import read_json, write_and_rename, write_json

PEAK = 0.9  # of full scale, for the loudest signal of a mixture
FULL_SCALE = 32767


def import_toy_package(name):
    """A package of requirements-toy.txt, which only the commands that render the toy corpora need."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_toy_package(name) from error


def missing_toy_package(name):
    return ConfigError(
        f"Rendering a toy corpus needs the package {name}, which is not installed: "
        "run pip install --no-deps -r requirements-toy.txt."
    )


def claim(root, marker, settings, binding):
    """Marks `root` as the corpus of these settings, or refuses a folder that is something else.

    Args:
        root: Path of the corpus; made when missing.
        marker: name of the JSON file in `root` that holds the settings.
        settings: JSON-able dict of all that shapes the content.
        binding: the gin binding that gave `root`, for the sentence.
    """
    path = root / marker
    if not path.exists():
        if root.exists() and any(root.iterdir()):
            raise ConfigError(
                f"{binding} = {str(root)!r} holds files but no {marker}, so it is not a toy corpus: "
                "give a new or empty folder."
            )
        write_json(path, settings)
    differing = [key for key, value in settings.items() if read_json(path).get(key) != value]
    if differing:
        raise ConfigError(
            f"{binding} = {str(root)!r} holds a corpus of other settings ({', '.join(differing)} "
            "differ): give another folder, or remove this one."
        )


def quantise(sources):
    """Sources as 16-bit integers at one common gain, so that any sum of them is exact and unclipped.

    Args:
        sources: dict, name → float array, all of one shape.

    Returns:
        dict, name → int16 array.
    """
    loudest = np.abs(np.stack(list(sources.values()))).sum(axis=0).max()
    gain = PEAK * FULL_SCALE / max(loudest, 1e-9)
    return {name: np.rint(gain * audio).astype(np.int16) for name, audio in sources.items()}


def write_wav(path, audio, sample_rate):
    """Writes int16 `audio`, `(sample,)` or `(sample, channel)`, whole or not at all."""
    with write_and_rename(path, "wb") as file:
        soundfile.write(file, audio, sample_rate, subtype="PCM_16", format="WAV")


def rms(audio):
    return np.sqrt(np.mean(np.square(audio)) + 1e-12)


def from_db(level_db):
    return 10 ** (level_db / 20)
