"""A split of a dataset: filtered, named, and checked item by item."""

import copy
import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import audioread
import gin
import numpy as np
import nussl
import soundfile
from nussl.core.audio_signal import AudioSignalException
from nussl.datasets.base_dataset import DataSetException
from nussl.datasets.transforms import TransformException

from audition.datasets.extras import read_extras
from audition.datasets.items import DescribesItems, described
from audition.datasets.transforms import check_keeps_audio
from audition.errors import ConfigError

log = logging.getLogger(__name__)

READING_ERRORS = (
    AudioSignalException,
    DataSetException,
    TransformException,
    soundfile.SoundFileError,
    audioread.DecodeError,
    FileNotFoundError,
    EOFError,
)


@gin.register
def build_dataset(
    dataset: nussl.datasets.BaseDataset,
    name: str,
    filters: Iterable[Callable] = (),
    cache_root: str | Path | None = None,
    item_transforms: Sequence[Callable] = (),
) -> "Split":
    """The Split of a dataset's items that pass the filters.

    Args:
        dataset: a nussl BaseDataset, or one of ours. Its transform may change the sources
            (SumSources, KeepSources); features are computed later, by `train.features`.
        name: role of the split ("train", "val", "test").
        filters: functions of (dataset, item) that return whether the item stays.
        cache_root: folder of the waveform caches of any number of data sets and tasks; None caches
            nothing.
        item_transforms: functions called one after the other with each whole item, such as
            `[@LabelsToOneHot()]`; the keys that they add go with the item's excerpts to the features
            and the losses.
    """
    check_keeps_audio(dataset.transform, name)
    if not dataset.items:
        raise ConfigError(
            f"{name}/build_dataset.dataset = {describe(dataset)} is empty; check the dataset's "
            "folder and split."
        )
    dataset = copy.copy(dataset)
    dataset.items = keep_items(dataset, name, filters)
    return Split(dataset, name, Path(cache_root) if cache_root else None, item_transforms)


def keep_items(dataset: nussl.datasets.BaseDataset, name: str, filters: Iterable[Callable]) -> list:
    """The items that every filter keeps."""
    kept = [item for item in dataset.items if all(keep(dataset, item) for keep in filters)]
    if not kept:
        raise ConfigError(
            f"{name}/build_dataset.filters = {list(filters)} leave none of the "
            f"{len(dataset.items)} items of {describe(dataset)}; loosen the filters."
        )
    if len(kept) < len(dataset.items):
        log.info("%s: the filters keep %d of %d items", name, len(kept), len(dataset.items))
    return kept


def describe(dataset: nussl.datasets.BaseDataset) -> str:
    return f"{type(dataset).__name__}({str(dataset.folder)!r})"


class Split:
    """Items of a dataset, `{"mix": AudioSignal, "sources": {name: AudioSignal}, "metadata": {…}}`.

    Sources come in alphabetical order, whatever order a binding names them in, so that the outputs of
    a network, results and audio are all in one order, and in the same for every version. An item that can't be used raises a ConfigError that names
    it. A Split can be pickled if its dataset can.

    Attributes:
        dataset: the nussl dataset, filtered.
        name: role of the split.
        names: a unique name per item, suitable as a file name.
        cache_root: Path that holds waveform caches, its own and others; or None.
        source_names: names of the first item's sources.
        item_transforms: see build_dataset.
    """

    def __init__(
        self,
        dataset: nussl.datasets.BaseDataset,
        name: str,
        cache_root: Path | None,
        item_transforms: Sequence[Callable] = (),
    ):
        self.dataset = dataset
        self.name = name
        self.cache_root = cache_root
        self.names = name_items(dataset, name)
        self.source_names = list(self[0]["sources"])
        self.item_transforms = list(item_transforms)

    def __len__(self) -> int:
        return len(self.dataset.items)

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.dataset.sample_rate

    @property
    def num_channels(self) -> int:
        return self.dataset.num_channels

    @property
    def stft_params(self) -> nussl.STFTParams:
        return self.dataset.stft_params

    @property
    def described(self) -> DescribesItems:
        """The dataset, with the methods of DescribesItems."""
        return described(self.dataset)

    def __getitem__(self, i: int) -> dict:
        self.described.check_item(self.dataset.items[i], self.where(i))
        try:
            data = self.dataset[i]
        except READING_ERRORS as error:
            raise ConfigError(
                f"{self.where(i)} can't be read ({type(error).__name__}: {error}); repair the file "
                "or remove the track."
            ) from error
        self.check(data, i)
        sources = {key: data["sources"][key] for key in sorted(data["sources"])}
        return {"mix": data["mix"], "sources": sources, "metadata": data.get("metadata", {})}

    def __iter__(self) -> Iterator[dict]:
        return (self[i] for i in range(len(self)))

    def tell_order(self) -> None:
        """Logs the order of the sources, if there are several."""
        if len(self.source_names) > 1:
            log.info(
                "Sources are %s: in alphabetical order in network outputs, results and audio, in "
                "whatever order SOURCES names them.",
                ", ".join(self.source_names),
            )

    def only(self, indices: Iterable[int]) -> "Split":
        """A Split of these items only, without a cache."""
        dataset = copy.copy(self.dataset)
        dataset.items = [self.dataset.items[i] for i in indices]
        return Split(dataset, self.name, None, self.item_transforms)

    def where(self, i: int) -> str:
        """An item's name at the beginning of an error."""
        return f"{self.name}: track {self.names[i]!r} of {describe(self.dataset)}"

    def check(self, data: dict, i: int) -> None:
        """Raises a ConfigError unless every signal has the mix's shape and our sample rate."""
        if "mix" not in data or not (data.get("sources") or self.described.unlabelled):
            raise ConfigError(f"{self.where(i)} has no mix or no sources; check its folder.")
        shape = data["mix"].audio_data.shape
        for key, signal in {"the mix": data["mix"], **data["sources"]}.items():
            if signal.signal_length == 0:
                raise ConfigError(f"{self.where(i)}: {key} has no samples; remove the track.")
            if signal.sample_rate != self.sample_rate:
                raise ConfigError(
                    f"{self.where(i)}: {key} has {signal.sample_rate} Hz, not {self.sample_rate} "
                    "Hz like the others; resample the file."
                )
            if signal.audio_data.shape != shape:
                raise ConfigError(
                    f"{self.where(i)}: {key} has {channels_and_samples(signal.audio_data.shape)}, "
                    f"its mix has {channels_and_samples(shape)}; repair the file or remove it."
                )

    @functools.cached_property
    def extras(self) -> dict[str, np.ndarray]:
        """dict, what the item transforms add to the first item; the others' must be shaped alike."""
        return read_extras(self, 0)

    def extras_of(self, i: int) -> dict[str, np.ndarray]:
        """dict, name → array that the item transforms add to an item."""
        extras = read_extras(self, i)
        shapes, expected = (
            {key: array.shape for key, array in one.items()} for one in (extras, self.extras)
        )
        if shapes != expected:
            raise ConfigError(
                f"{self.where(i)}: build_dataset.item_transforms add arrays of the shapes {shapes}, "
                f"to the first track {expected}; a batch needs them alike."
            )
        return extras

    def waveforms(self, i: int) -> np.ndarray:
        """Mix and sources of an item in one float32 array `(1 + source, channel, sample)`."""
        item = self[i]
        signals = [item["mix"], *item["sources"].values()]
        expected = 1 + len(self.source_names), self.num_channels
        found = len(signals), item["mix"].num_channels
        if found != expected:
            raise ConfigError(
                f"{self.where(i)} has {found[0] - 1} sources of {found[1]} channels, the first "
                f"track {expected[0] - 1} of {expected[1]}; training needs them all alike: sum "
                "sources with SumSources, or filter."
            )
        return np.ascontiguousarray([signal.audio_data for signal in signals], np.float32)


def channels_and_samples(shape: tuple[int, int]) -> str:
    return f"{shape[0]} channels of {shape[1]} samples"


def name_items(dataset: nussl.datasets.BaseDataset, name: str) -> list[str]:
    """A name per item: its file's stem if those are unique, else its path with dots for slashes."""
    names = [described(dataset).item_name(item) for item in dataset.items]
    if len(set(names)) < len(names):
        names = [str(item).strip("/").replace("/", ".") for item in dataset.items]
    if len(set(names)) < len(names):
        repeated = next(item for item in names if names.count(item) > 1)
        raise ConfigError(
            f"{name}/build_dataset.dataset = {describe(dataset)} has several items named "
            f"{repeated!r}; rename them, because results are stored by name."
        )
    return names
