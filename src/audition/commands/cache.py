"""Pack the waveforms of the splits, once for all runs."""

import logging
import time
from collections.abc import Sequence

import gin

from audition.datasets import waveform_cache
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.runs.folder import Run

log = logging.getLogger(__name__)


@gin.configurable(denylist=["run"])
def cache(run: Run | None, datasets: Sequence[Split] = gin.REQUIRED, num_workers: int = 0) -> None:
    """Fills the waveform caches that don't exist yet. Works with or without a run folder.

    Args:
        run: not used; a cache belongs to the corpus.
        datasets: list of splits, each with a `build_dataset.cache_root`.
        num_workers: processes that read audio; 0 reads in this one.
    """
    for corpus in datasets:
        if corpus.cache_folder is None:
            raise ConfigError(
                f"{corpus.name}/build_dataset.cache_root is None, so its cache has no place; bind "
                "it, or remove the corpus from cache.datasets."
            )
    for corpus in datasets:
        fill_and_report(corpus, num_workers)


def fill_and_report(corpus: Split, num_workers: int) -> None:
    start = time.monotonic()
    filled = waveform_cache.fill(corpus, num_workers)
    seconds = time.monotonic() - start
    size = sum(path.stat().st_size for path in corpus.cache_folder.iterdir())
    log.info(
        "%s: %d items, %.3g MB, %s",
        corpus.cache_folder,
        len(corpus),
        size / 1e6,
        f"filled in {seconds:.1f} s" if filled else "already complete",
    )
