"""Batches of excerpts from worker processes, for training and validation."""

import logging
import os
from collections.abc import Iterable, Sequence

import torch
from torch.utils.data import DataLoader

from audition import interruption
from audition.datasets.excerpts import Excerpts, Stage, batch_collate
from audition.datasets.split import Split

log = logging.getLogger(__name__)


def make_loader(
    data: Split,
    batches: Iterable[list[int]],
    num_samples: int,
    seed: int,
    num_workers: int,
    stages: Sequence[Stage] = (),
) -> DataLoader:
    """A DataLoader of excerpts.

    Args:
        data: Split.
        batches: lists of global indices, see Excerpts.
        num_samples: length of an excerpt.
        seed: seed of the excerpts.
        num_workers: loading processes, at most one per core; 0 loads in this process.
        stages: where the length changes, if it does.
    """
    num_workers = at_most_one_per_core(num_workers)
    # its own generator: PyTorch draws a seed per pass, and the global generator is for dropout
    return DataLoader(
        Excerpts(data, num_samples, seed, stages),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=batch_collate,
        generator=torch.Generator().manual_seed(seed),
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=start_worker,
        persistent_workers=num_workers > 0,
    )


def start_worker(number: int) -> None:
    interruption.leave_to_parent()


def at_most_one_per_core(num_workers: int) -> int:
    """More processes than cores would load the same data no faster, and take more memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if num_workers > cores:
        log.info("%d data workers instead of %d: there are %d cores", cores, num_workers, cores)
    return min(num_workers, cores)


def each_item_once(data: Split, batch_size: int) -> list[list[int]]:
    """Batches for validation: the same excerpt of every item, in the same order."""
    items = range(len(data))
    return [list(items[start : start + batch_size]) for start in items[::batch_size]]


def stop_workers(loader: DataLoader | None) -> None:
    """Stops the workers now: the garbage collector would wait five seconds for each."""
    if loader is not None and loader._iterator is not None:
        loader._iterator._shutdown_workers()
