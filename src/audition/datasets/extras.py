"""What a chain of transforms adds to an item beside its waveforms: labels, or numbers of one's own."""

from typing import Any

import numpy as np
from nussl.datasets.transforms import TransformException

from audition.errors import ConfigError

ITEM = ("mix", "sources", "metadata")
RESERVED = ("index",)


def read_extras(data: Any, i: int) -> dict[str, np.ndarray]:
    """The arrays that `data.item_transforms` add to item `i`, by name.

    Each transform is called with what the one before it gave, the first with the item: dict of `mix`,
    `sources` and `metadata`. Keys that it adds are numbers or arrays of numbers.

    Args:
        data: Split.

    Raises:
        ConfigError: a transform that fails, changes the waveforms, or adds what is no number.
    """
    if not data.item_transforms:
        return {}
    item = data[i]
    before = waveforms(item)
    for transform in data.item_transforms:
        try:
            item = transform(item)
        except TransformException as error:
            raise ConfigError(
                f"{data.where(i)}: {name_of(transform)} of build_dataset.item_transforms fails "
                f"({error}); take it out."
            ) from error
        if not isinstance(item, dict) or not {"mix", "sources"} <= set(item):
            raise ConfigError(
                f"build_dataset.item_transforms: {name_of(transform)} must return the dict that it is "
                "called with, and may add keys to it."
            )
        if not same(before, waveforms(item)):
            raise ConfigError(
                f"build_dataset.item_transforms: {name_of(transform)} changes the mix or the sources; "
                "it belongs into the dataset's `transform`, which comes before the cache."
            )
    return {key: array_of(key, value) for key, value in item.items() if key not in ITEM}


def name_of(transform: Any) -> str:
    return getattr(transform, "__name__", type(transform).__name__)


def waveforms(item: dict) -> list[np.ndarray]:
    return [one.audio_data.copy() for one in (item["mix"], *item["sources"].values())]


def same(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return len(before) == len(after) and all(map(np.array_equal, before, after))


def array_of(key: str, value: Any) -> np.ndarray:
    """Floats as float32, as waveforms are; whole numbers and booleans stay."""
    array = np.asarray(value)
    if key in RESERVED or array.dtype.kind not in "fiub":
        raise ConfigError(
            f"build_dataset.item_transforms adds {key!r} = {str(value)[:40]}, which can't stand in a "
            "batch: give it another name, and numbers or arrays of numbers."
        )
    return array.astype(np.float32) if array.dtype.kind == "f" else array
