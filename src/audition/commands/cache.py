"""Pack the waveforms of the splits, once for all runs; say what was packed, and delete it."""

import copy
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import gin

from audition import configs
from audition.datasets import waveform_cache
from audition.datasets.split import Split
from audition.datasets.waveform_cache import shelf
from audition.errors import ConfigError
from audition.runs.folder import Run

log = logging.getLogger(__name__)

ROOTS = ("CACHE_ROOT", "build_dataset.cache_root")  # bindings that say where caches are


@gin.configurable(denylist=["run"])
def cache(
    run: Run | None,
    datasets: Sequence[Split] = gin.REQUIRED,
    num_workers: int = 0,
    list: bool = False,
    prune: bool | Sequence[str] = False,
) -> None:
    """Fills the waveform caches that don't exist yet. Works with or without a run folder.

    `cache --list` says instead what is in `CACHE_ROOT`: how large, of which data, read by which runs.
    `cache --prune` deletes what killed fills left behind, and the caches that runs have read of which
    none is there any more; one that no run has read yet stays. `cache --prune NAME` deletes the caches
    named, as --list prints them. Either needs no more than an env.gin after -c. Nothing is deleted
    but what this command wrote.

    Args:
        run: noted as one that reads the caches, if given.
        datasets: list of splits, each with a `build_dataset.cache_root`.
        num_workers: processes that read audio; 0 reads in this one.
        list: what --list sets.
        prune: what --prune sets: True, or a list of names.
    """
    if list or prune:
        return look_at(roots(), None if prune is True else prune or ())
    for corpus in datasets:
        if corpus.cache_root is None:
            raise ConfigError(
                f"{corpus.name}/build_dataset.cache_root is None, so its cache has no place; bind "
                "it, or remove the corpus from cache.datasets."
            )
    for corpus in datasets:
        fill_and_report(corpus, num_workers, run)


def fill_and_report(corpus: Split, num_workers: int, run: Run | None) -> None:
    start = time.monotonic()
    filled = waveform_cache.fill(corpus, num_workers)
    seconds = time.monotonic() - start
    folder = waveform_cache.home(corpus)
    log.info(
        "%s: %d items, %.3g MB, %s",
        folder,
        len(corpus),
        waveform_cache.size_of(folder) / 1e6,
        f"filled in {seconds:.1f} s" if filled else "already complete",
    )
    if run is not None:
        shelf.note_reader(folder, run.folder)


def roots() -> list[Path]:
    """The folders that hold caches, by the bindings in force."""
    values = [
        copy.deepcopy(value)  # gin builds @references as it copies
        for name, value in configs.bindings_in_force().items()
        if name.endswith(ROOTS)
    ]
    found = [Path(root) for root in dict.fromkeys(values) if root is not None]
    if not found:
        raise ConfigError("there is no CACHE_ROOT: give the env.gin that sets it after -c.")
    return found


def look_at(folders: Sequence[Path], unwanted: Sequence[str] | None) -> None:
    """Logs what is in cache roots, after deleting `unwanted`; see `shelf.prune`."""
    known = {
        name for root in folders for one in shelf.caches(root) for name in shelf.names_of(one, root)
    }
    if unknown := sorted({*(unwanted or ())} - known):
        raise ConfigError(f"there is no cache {unknown[0]!r}: cache --list prints their names.")
    for root in folders:
        for folder, size in shelf.prune(root, unwanted):
            log.info("deleted %s, %.3g MB", folder, size / 1e6)
        left = shelf.caches(root)
        total = sum(map(waveform_cache.size_of, left))
        log.info("%s holds %d caches, %.3g MB", root, len(left), total / 1e6)
        for folder in left:
            log.info("%s", shelf.described(folder))
