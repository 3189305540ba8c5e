"""Where caches lie, what their files are called, and what their manifests say."""

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from audition.code import code_of
from audition.datasets.identity import State, describe_content
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.files import Damaged, read_json
from audition.identity import fingerprint, former

FORMAT = "waveforms 1"
WAVEFORMS, INDEX, STATES = "waveforms.bin", "index.bin", "states.bin"
MANIFEST, READERS = "manifest.json", "readers.txt"
OURS = (WAVEFORMS, INDEX, STATES, MANIFEST, READERS)
PLACE = np.dtype([("offset", "<i8"), ("num_samples", "<i8"), ("is_int16", "?")])  # of an item
WHAT_TO_DO = "delete {folder} and run cache again"
KEY_DIGITS = 12


def home(corpus: Split, content: dict[str, Any] | None = None) -> Path:
    """The folder of a split's cache, filled or not, in `corpus.cache_root`.

    Args:
        content: what `content_of` says, if that is known.
    """
    content = content or content_of(corpus)
    key = f"{content['dataset']}-{fingerprint(content)[:KEY_DIGITS]}"
    keyed, before = corpus.cache_root / key / corpus.name, corpus.cache_root / corpus.name
    return before if not keyed.exists() and holds(before, content) else keyed


def content_of(corpus: Split, states: list[list[State]] | None = None) -> dict[str, Any]:
    """What must be equal for a cache to fit; see `describe_content`."""
    return {"format": FORMAT, **describe_content(corpus, states)}


def code_of_audio(corpus: Split, content: dict[str, Any]) -> dict[str, str]:
    """Module → hash, of the code that reads the audio of `corpus`."""
    return code_of(content, Split, type(corpus.dataset))


def changed_code(folder: Path, code: dict[str, str]) -> list[str]:
    """Modules of `code` that are not those that filled the cache; none if it doesn't say, as those
    of earlier versions."""
    known = read_manifest(folder).get("code", code)
    return [module for module, content in code.items() if content not in known.values()]


def fits(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether the content that a manifest tells of is the one that is wanted."""
    return found in (wanted, former(wanted))


def holds(folder: Path, content: dict[str, Any]) -> bool:
    with contextlib.suppress(ConfigError):
        return fits(read_manifest(folder)["content"], content)
    return False


def origin(corpus: Split) -> dict[str, str]:
    """What stays the same where files are replaced in place; fingerprints, so that no path is told."""
    folder = os.path.realpath(corpus.dataset.folder)
    return {"folder": fingerprint(folder), "names": fingerprint(corpus.names)}


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the cache in `folder`.

    Raises:
        ConfigError: it is missing or damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ConfigError(
            f"{folder} has no {MANIFEST}, so it isn't a complete waveform cache: delete the folder "
            "and run cache again."
        )
    try:
        manifest = read_json(path)
    except Damaged as error:
        raise Damaged(path, error.why, WHAT_TO_DO.format(folder=folder)) from error
    if not isinstance(manifest, dict) or not {"content", "files"} <= set(manifest):
        raise Damaged(path, "it is no manifest", WHAT_TO_DO.format(folder=folder))
    return manifest


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def remove(folder: Path) -> None:
    """Removes the files of a cache, finished or not, then the folder, unless others put files there."""
    unfinished = [*folder.glob(f".{MANIFEST}.*"), *folder.glob(f".{STATES}.*")]
    for path in [*(folder / name for name in OURS), *unfinished]:
        path.unlink(missing_ok=True)
    folder.rmdir()
