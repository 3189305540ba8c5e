"""Fixed-length excerpts for training, and which of them each iteration reads."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from audition.datasets import waveform_cache
from audition.datasets.split import Split
from audition.errors import ConfigError

log = logging.getLogger(__name__)


class Place(NamedTuple):
    item: str  # its name
    start_sample: int
    num_samples: int


class Stage(NamedTuple):
    """What the excerpts are from an iteration on, until the next stage.

    Attributes:
        first_iteration: the first one of the stage, counted from 0.
        first_index: global index of its first excerpt.
        batch_size: excerpts per iteration.
        num_samples: length of an excerpt.
    """

    first_iteration: int
    first_index: int
    batch_size: int
    num_samples: int


class Excerpts(Dataset):
    """One excerpt of every item per epoch, at index `epoch * len(excerpts) + number`.

    Each epoch goes through the items in a new order. Which item an excerpt is cut from, and where,
    depends only on the seed, the epoch and the number. Items shorter than an excerpt are padded
    with zeros at the end. Reads the waveform cache if there is one, else the corpus. What
    item transforms add is not cached: each process reads an item for it once, and keeps it.

    A DataLoader reads it a batch at a time: pass lists of global indices (EpochBatches makes them)
    as its `batch_sampler`, with `collate_fn=batch_collate`.

    Args:
        data: Split.
        num_samples: length of an excerpt.
        seed: seed of the order and the positions.
        stages: where the length changes, if it does; the excerpts of a batch are of one stage.
    """

    def __init__(self, data: Split, num_samples: int, seed: int, stages: Sequence[Stage] = ()):
        shortest = min([num_samples, *(stage.num_samples for stage in stages)])
        if shortest < 1:
            raise ConfigError(
                f"An excerpt of {shortest} samples is too short: raise train.excerpt_frames or "
                "train.excerpt_seconds."
            )
        self.data = data
        self.num_samples = num_samples
        self.seed = seed
        self.stages = stages
        self.cache = waveform_cache.open(data)
        self.extras = {}  # item → what its transforms add, once it was read
        where = (
            f"the cache {self.cache.folder}" if self.cache else "its files, as no cache is filled"
        )
        log.info("%s: %d items, read from %s", data.name, len(data), where)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, global_index: int) -> dict[str, torch.Tensor]:
        """dict of `mix` `(channel, sample)`, `sources` `(source, channel, sample)`, float32, `index`,
        the item's number in the corpus, and what the split's item transforms add."""
        batch = self.__getitems__([global_index])
        return {key: value[0] for key, value in batch.items()}

    def __getitems__(self, global_indices: list[int]) -> dict[str, torch.Tensor]:
        """The same for several excerpts, each entry with a leading batch axis."""
        size, num_sources = len(global_indices), len(self.data.source_names)
        shape = self.data.num_channels, self.length(global_indices[0])
        # from torch's allocator: numpy would ask the system for fresh pages for every batch
        mix = torch.empty(size, *shape)
        sources = torch.empty(size, num_sources, *shape)
        places = zip(global_indices, mix.numpy(), sources.numpy(), strict=True)
        items = [self.read(*place) for place in places]
        extras = [self.extras_of(item) for item in items]
        added = {name: torch.from_numpy(np.stack([e[name] for e in extras])) for name in extras[0]}
        return {"mix": mix, "sources": sources, "index": torch.tensor(items), **added}

    def extras_of(self, item: int) -> dict[str, np.ndarray]:
        if item not in self.extras:
            self.extras[item] = self.data.extras_of(item)
        return self.extras[item]

    def place(self, global_index: int) -> "Place":
        """Where an excerpt is cut from."""
        item, position = self.item_and_position(global_index)
        waveforms, _ = self.waveforms(item)
        num_samples = self.length(global_index)
        return Place(self.data.names[item], start_of(position, waveforms, num_samples), num_samples)

    def length(self, global_index: int) -> int:
        """Of an excerpt, in samples."""
        begun = [stage for stage in self.stages if stage.first_index <= global_index]
        return begun[-1].num_samples if begun else self.num_samples

    def item_and_position(self, global_index: int) -> tuple[int, float]:
        epoch, number = divmod(int(global_index), len(self))
        items, positions = plan_epoch(self.seed, epoch, len(self))
        return int(items[number]), positions[number]

    def read(self, global_index: int, mix: np.ndarray, sources: np.ndarray) -> int:
        """Writes an excerpt into the two arrays, and returns its item's number."""
        item, position = self.item_and_position(global_index)
        waveforms, scale = self.waveforms(item)
        num_samples = mix.shape[-1]
        start = start_of(position, waveforms, num_samples)
        piece = waveforms[..., start : start + num_samples]
        for signals, out in ((piece[0], mix), (piece[1:], sources)):
            np.multiply(signals, scale, out=out[..., : piece.shape[-1]])
            out[..., piece.shape[-1] :] = 0
        return item

    def waveforms(self, item: int) -> tuple[np.ndarray, np.float32]:
        """An item, `(1 + source, channel, sample)`, mix first, and the factor to scale it to 1."""
        if self.cache:
            return self.cache.waveforms(item)
        return self.data.waveforms(item), np.float32(1)


def start_of(position: float, waveforms: np.ndarray, num_samples: int) -> int:
    """The first sample of an excerpt whose position is in [0, 1)."""
    spare = max(0, waveforms.shape[-1] - num_samples)
    return int(position * (spare + 1))


@lru_cache(maxsize=8)
def plan_epoch(seed: int, epoch: int, num_items: int) -> tuple[np.ndarray, np.ndarray]:
    """The order of the items in an epoch, and the position of each one's excerpt, in [0, 1)."""
    random = np.random.default_rng([seed, epoch])
    return random.permutation(num_items), random.random(num_items)


def batch_collate(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """For DataLoader.collate_fn: `Excerpts.__getitems__` has already stacked the batch."""
    return batch


@dataclass(frozen=True)
class EpochBatches:
    """Batch sampler: the global indices of every iteration from `start_iteration` to the last.

    Numbering continues across epochs, so iteration k reads the same batch whether or not training
    was interrupted before it, and an epoch may be shorter or longer than the corpus.

    Args:
        batch_size: excerpts per batch.
        epoch_length: iterations per epoch.
        start_iteration: iterations already done.
        num_epochs: epochs of the whole training.
        stages: where the batch size changes, if it does.
    """

    batch_size: int
    epoch_length: int
    start_iteration: int
    num_epochs: int
    stages: Sequence[Stage] = ()

    def __post_init__(self):
        for name in ("batch_size", "epoch_length", "num_epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"EpochBatches.{name} = {getattr(self, name)} must be at least 1."
                )

    def __len__(self) -> int:
        return max(0, self.num_epochs * self.epoch_length - self.start_iteration)

    def __iter__(self) -> Iterator[list[int]]:
        for iteration in range(self.start_iteration, self.num_epochs * self.epoch_length):
            yield self.of(iteration + 1)

    def of(self, iteration: int) -> list[int]:
        """The batch of an iteration, counted from 1."""
        begun = [stage for stage in self.stages if stage.first_iteration < iteration]
        stage = begun[-1] if begun else Stage(0, 0, self.batch_size, 0)
        first = stage.first_index + (iteration - 1 - stage.first_iteration) * stage.batch_size
        return list(range(first, first + stage.batch_size))
