"""Batches of excerpts from worker processes, for training and validation."""

import logging
import os

import torch
from torch.utils.data import DataLoader

from audition.datasets.excerpts import Excerpts, batch_collate

log = logging.getLogger(__name__)


def make_loader(data, batches, num_samples, seed, num_workers):
    """A DataLoader of excerpts.

    Args:
        data: Split.
        batches: lists of global indices, see Excerpts.
        num_samples: length of an excerpt.
        seed: of the excerpts.
        num_workers: processes that load, at most one per core; 0 loads in this one.
    """
    num_workers = at_most_one_per_core(num_workers)
    # its own generator: PyTorch draws a seed per pass, and the global one belongs to dropout
    return DataLoader(
        Excerpts(data, num_samples, seed),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=batch_collate,
        generator=torch.Generator().manual_seed(seed),
        pin_memory=torch.cuda.is_available(),
        persistent_workers=num_workers > 0,
    )


def at_most_one_per_core(num_workers: int) -> int:
    """More processes than cores load no faster and take memory; what they load is the same."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if num_workers > cores:
        log.info("%d data workers in place of %d: there are %d cores", cores, num_workers, cores)
    return min(num_workers, cores)


def each_item_once(data, batch_size):
    """Batches for validation: the same excerpt of every item, in order."""
    items = range(len(data))
    return [list(items[start : start + batch_size]) for start in items[::batch_size]]


def stop_workers(loader):
    """Left to the garbage collector, each worker would be waited for five seconds."""
    if loader is not None and loader._iterator is not None:
        loader._iterator._shutdown_workers()
