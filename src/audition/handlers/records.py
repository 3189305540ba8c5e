"""Which items are hard: a record of each item's own losses."""

import csv
import functools
from collections.abc import Callable, Iterator
from typing import Any

import gin
import numpy as np
import torch
from ignite.engine import Engine, Events

from audition.errors import ConfigError
from audition.files import as_text, write_and_rename
from audition.training.state import Part, Training, TrainingEvents


@gin.register
def add_record_batch_and_loss_info_handler(training: Training, name: str = "loss") -> None:
    """Writes each item's own losses to `logs/item_losses.csv`, a row per item and epoch.

    Columns are `epoch`, `item`, `loss` (the weighted sum) and each loss of the loss dictionary: the
    mean over the excerpts of that item in that epoch. An epoch's rows come hardest first. Items
    that stay hard are difficult or mislabelled.

    An item's losses are the loss dictionary's, without gradients, of that item alone. Their mean over
    a batch is the batch's loss, as long as that is a mean over its items, as all of ours are. Each
    checkpoint holds 4 bytes per item, loss and epoch.

    Args:
        name: which loss to sort by.
    """
    names = ["loss", *training.losses.names]
    if name not in names:
        raise ConfigError(
            f"add_record_batch_and_loss_info_handler.name = {name!r} is not in "
            f"train.loss_dictionary; choose from {', '.join(names)}."
        )
    record = ItemLosses(len(training.train_names), len(names))
    training.keep("item_losses", record)
    table = ItemLossesFile(training, record, names, names.index(name))
    training.trainer.add_event_handler(Events.STARTED, table.write)
    training.trainer.add_event_handler(TrainingEvents.VALIDATION_COMPLETED, table.append)

    def note(engine):
        part = engine.state.part
        training.when_known(
            own_losses(training.losses, part, names), functools.partial(record.add, part.index)
        )

    training.trainer.add_event_handler(TrainingEvents.PART_COMPLETED, note)


@torch.no_grad()
def own_losses(losses: Callable, part: Part, names: list[str]) -> torch.Tensor:
    """Losses of each item alone, `(item, loss)`."""

    def alone(tensors, item):
        return {name: tensor[item : item + 1] for name, tensor in tensors.items()}

    items = range(len(part.index))
    found = [losses(alone(part.output, item), alone(part.data, item)) for item in items]
    rows = [torch.stack([one[name].float() for name in names]) for one in found]
    return torch.stack(rows)


class ItemLosses:
    """Losses of each item and epoch, float32 `(item, loss)` per epoch, NaN where it was in no batch.

    Attributes:
        history: dict, epoch → array, of the epochs that are done.
        sums, counts: of the epoch under way, `(item, loss)` and `(item, 1)`.
    """

    def __init__(self, num_items: int, num_losses: int):
        self.history = {}
        self.sums = np.zeros((num_items, num_losses))
        self.counts = np.zeros((num_items, 1))

    def add(self, items: Any, losses: np.ndarray) -> None:
        np.add.at(self.sums, np.asarray(items), losses)
        np.add.at(self.counts, np.asarray(items), 1)

    def close(self, epoch: int) -> None:
        """Puts the means of the epoch into the history."""
        with np.errstate(invalid="ignore"):
            self.history[epoch] = (self.sums / self.counts).astype(np.float32)
        self.sums[:], self.counts[:] = 0, 0

    def state_dict(self) -> dict:
        history = {epoch: torch.from_numpy(losses) for epoch, losses in self.history.items()}
        under_way = torch.from_numpy(self.sums.copy()), torch.from_numpy(self.counts.copy())
        return {"history": history, "under_way": under_way}

    def load_state_dict(self, state: dict) -> None:
        """Of what version 0.1 kept, losses of batches, nothing is taken over.

        Raises:
            ValueError: the state is of another number of items or losses.
        """
        sums, counts = state.get("under_way", (state.get("table"), None))
        if len(sums) != len(self.sums):
            raise ValueError(
                f"it holds {len(sums)} items, and train.train_data has {len(self.sums)}"
            )
        if counts is None:
            return
        if sums.shape != self.sums.shape:
            raise ValueError(f"it holds {sums.shape[1]} losses, and there are {self.sums.shape[1]}")
        self.history = {epoch: losses.numpy() for epoch, losses in state["history"].items()}
        self.sums, self.counts = sums.numpy().copy(), counts.numpy().copy()


class ItemLossesFile:
    """The record as text; what a killed training wrote beyond its checkpoint, a restart drops."""

    def __init__(self, training: Training, record: ItemLosses, names: list[str], sort_by: int):
        self.path = training.run.item_losses
        self.items = [as_text(name) for name in training.train_names]
        self.record = record
        self.names = names
        self.sort_by = sort_by

    def write(self, engine: Engine) -> None:
        with write_and_rename(self.path) as file:
            rows = csv.writer(file)
            rows.writerow(["epoch", "item", *map(as_text, self.names)])
            for epoch in self.record.history:
                rows.writerows(self.rows(epoch))

    def append(self, engine: Engine) -> None:
        self.record.close(engine.state.epoch)
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerows(self.rows(engine.state.epoch))

    def rows(self, epoch: int) -> Iterator[tuple]:
        """Hardest first; items that were in no batch are left out."""
        losses = self.record.history[epoch]
        for item in np.argsort(-losses[:, self.sort_by], kind="stable"):
            if not np.isnan(losses[item, 0]):
                yield epoch, self.items[item], *(f"{value:.6g}" for value in losses[item])
