"""Fixed-length training pieces, and which of them each iteration reads."""

import logging
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch.utils.data import Dataset

from audition.datasets import waveform_cache
from audition.errors import ConfigError

log = logging.getLogger(__name__)


class Excerpts(Dataset):
    """One excerpt of every item and epoch, addressed by `epoch * len(excerpts) + number`.

    Which item an excerpt is cut from (each epoch is a permutation of the items) and where depends
    on the seed, the epoch and the number only. Items shorter than an excerpt get zeros at the end.
    Reads the waveform cache where there is one, else the corpus.

    A batch is an item here: hand lists of global indices (EpochBatches makes them) to a DataLoader
    as its `batch_sampler`, with `collate_fn=batch_collate`.

    Args:
        data: Split.
        num_samples: length of an excerpt.
        seed: of the order and the positions.
    """

    def __init__(self, data, num_samples, seed):
        if num_samples < 1:
            raise ConfigError(
                f"An excerpt of {num_samples} samples is too short: raise train.excerpt_frames or "
                "train.excerpt_seconds."
            )
        self.data = data
        self.num_samples = num_samples
        self.seed = seed
        self.cache = waveform_cache.open(data)
        where = f"the cache {data.cache_folder}" if self.cache else "its files: no cache was filled"
        log.info("%s: %d items, read from %s", data.name, len(data), where)

    def __len__(self):
        return len(self.data)

    def __getitem__(self, global_index):
        """dict of `mix` `(channel, sample)`, `sources` `(source, channel, sample)`, float32, and
        `index`, the item's number in the corpus."""
        batch = self.__getitems__([global_index])
        return {key: value[0] for key, value in batch.items()}

    def __getitems__(self, global_indices):
        """The same for several excerpts, each entry with a leading batch axis."""
        size, num_sources = len(global_indices), len(self.data.source_names)
        shape = self.data.num_channels, self.num_samples
        # torch's allocator: numpy would ask the system for fresh pages with every batch
        mix = torch.empty(size, *shape)
        sources = torch.empty(size, num_sources, *shape)
        places = zip(global_indices, mix.numpy(), sources.numpy(), strict=True)
        items = [self.read(*place) for place in places]
        return {"mix": mix, "sources": sources, "index": torch.tensor(items)}

    def read(self, global_index, mix, sources):
        """Writes an excerpt into the two arrays; returns the item's number."""
        epoch, number = divmod(int(global_index), len(self))
        items, positions = plan_epoch(self.seed, epoch, len(self))
        item = int(items[number])
        waveforms, scale = self.waveforms(item)
        spare = max(0, waveforms.shape[-1] - self.num_samples)
        start = int(positions[number] * (spare + 1))
        piece = waveforms[..., start : start + self.num_samples]
        for signals, out in ((piece[0], mix), (piece[1:], sources)):
            np.multiply(signals, scale, out=out[..., : piece.shape[-1]])
            out[..., piece.shape[-1] :] = 0
        return item

    def waveforms(self, item):
        """`(1 + source, channel, sample)`, mix first, and the factor that makes it [-1, 1]."""
        if self.cache:
            return self.cache.waveforms(item)
        return self.data.waveforms(item), np.float32(1)


@lru_cache(maxsize=8)
def plan_epoch(seed, epoch, num_items):
    """The items of an epoch in order, and for each the position of its excerpt, in [0, 1)."""
    random = np.random.default_rng([seed, epoch])
    return random.permutation(num_items), random.random(num_items)


def batch_collate(batch):
    """For DataLoader.collate_fn: `Excerpts.__getitems__` has stacked the batch already."""
    return batch


@dataclass(frozen=True)
class EpochBatches:
    """Batch sampler: the global indices of every iteration from `start_iteration` to the last.

    Excerpts are numbered on through all epochs, so iteration k reads the same batch whether or not
    training was stopped before it, and an epoch may be shorter or longer than the corpus.

    Args:
        batch_size: excerpts.
        epoch_length: iterations.
        start_iteration: iterations already done.
        num_epochs: of the whole training.
    """

    batch_size: int
    epoch_length: int
    start_iteration: int
    num_epochs: int

    def __post_init__(self):
        for name in ("batch_size", "epoch_length", "num_epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"train.{name} = {getattr(self, name)} must be at least 1.")

    def __len__(self):
        return max(0, self.num_epochs * self.epoch_length - self.start_iteration)

    def __iter__(self):
        for iteration in range(self.start_iteration, self.num_epochs * self.epoch_length):
            first = iteration * self.batch_size
            yield list(range(first, first + self.batch_size))
