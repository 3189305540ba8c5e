"""Shows which items are hard, by the losses of the batches that each was in."""

import csv
from collections.abc import Iterator

import gin
import numpy as np
import torch
from ignite.engine import Events

from audition.errors import ConfigError
from audition.files import write_and_rename
from audition.training.state import Training, TrainingEvents


@gin.register
def add_record_batch_and_loss_info_handler(training: Training, name: str = "loss") -> None:
    """Writes `logs/item_losses.csv` after each epoch: mean loss of the batches each item was in.

    Over many epochs, an item's batches have nothing but that item in common, so the items with a
    high mean are the hard or mislabelled ones.

    Args:
        name: the loss to record; "loss" is the weighted sum.
    """
    names = ["loss", *training.losses.names]
    if name not in names:
        raise ConfigError(
            f"add_record_batch_and_loss_info_handler.name = {name!r} is not in "
            f"train.loss_dictionary; choose from {', '.join(names)}."
        )
    record = ItemLosses(len(training.train_names))
    training.keep("item_losses", record)
    path = training.run.item_losses

    def add(engine):
        record.add(engine.state.batch["index"], engine.state.output[name])

    def write(engine):
        with write_and_rename(path) as file:
            rows = csv.writer(file)
            rows.writerow(["item", "batches", "mean_loss", "last_loss"])
            rows.writerows(record.rows(training.train_names))

    training.trainer.add_event_handler(Events.ITERATION_COMPLETED, add)
    training.trainer.add_event_handler(TrainingEvents.VALIDATION_COMPLETED, write)


class ItemLosses:
    """For each item, how many batches it was in, the sum of their losses, and the last one."""

    def __init__(self, num_items: int):
        self.table = np.zeros((num_items, 3))

    def add(self, items: torch.Tensor, loss: float) -> None:
        for item in np.asarray(items):
            self.table[item] += (1, loss, 0)
            self.table[item, 2] = loss

    def rows(self, names: list[str]) -> Iterator[tuple]:
        """Rows of the table, hardest item first, without items that haven't been in any batch."""
        seen = [index for index, (count, *_) in enumerate(self.table) if count]
        seen.sort(key=lambda index: -self.table[index, 1] / self.table[index, 0])
        for index in seen:
            count, total, last = self.table[index]
            yield names[index], int(count), total / count, last

    def state_dict(self) -> dict:
        return {"table": torch.from_numpy(self.table.copy())}

    def load_state_dict(self, state: dict) -> None:
        self.table = state["table"].numpy().copy()
