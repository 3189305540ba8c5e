"""What a dataset knows about its items: names, files, durations, and whether one can be used.

To ask a dataset of any class, call `described(dataset).item_files(item)` and so on.
"""

import copy
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nussl
import soundfile

from audition.audio.files import unreadable
from audition.errors import ConfigError


class DescribesItems:
    """Answers questions about an item, an entry of `dataset.items`, without reading its audio.

    A dataset overrides the methods that it can answer better.

    Attributes:
        unlabelled: whether items may come without sources.
    """

    unlabelled = False

    def item_name(self, item: Any) -> str:
        """Name of the item in results, outputs and errors; used as a file name, so without slashes.

        By default the stem of an item that is a path, else the item as text.
        """
        return Path(item).stem if isinstance(item, str | Path) else str(item).replace("/", ".")

    def item_files(self, item: Any) -> list[str | Path]:
        """The files that the item is read from, starting with the mix if that is a file.

        A track is evaluated again when the size or modification time of any of them changes. By
        default there are none, as for synthesised audio, and no change is noticed.
        """
        return []

    def duration_seconds(self, item: Any) -> float:
        """Duration of the mix.

        By default it comes from the header of the first file, or from reading the item if it has no
        files.

        Raises:
            ConfigError: the first file is not audio.
        """
        files = self.item_files(item)
        if not files:
            return self.process_item(item)["mix"].signal_duration
        try:
            header = soundfile.info(files[0])
        except soundfile.LibsndfileError as error:
            raise unreadable(files[0], error) from error
        return header.frames / header.samplerate

    def check_item(self, item: Any, where: str) -> None:
        """Called before the item is read. By default, all its files must exist.

        Args:
            where: the beginning of an error, which names the split, the track and the dataset.

        Raises:
            ConfigError: the item can't be used.
        """
        for path in self.item_files(item):
            if not os.path.exists(path):
                raise ConfigError(
                    f"{where} has no {os.path.relpath(path, self.folder)}; add the file or remove "
                    "the track."
                )


class FolderItems(DescribesItems):
    """Items of nussl's MixSourceFolder and WHAM, which drop a missing source silently."""

    def item_files(self, item: str) -> list[str]:
        folders = [*([] if self.make_mix else [self.mix_folder]), *self.source_folders]
        # to make a Path takes longer than to look at the file
        return [f"{self.folder}/{folder}/{item}" for folder in folders]

    def every_item(self, items: list[str], folder: str, parallel: Sequence[str] = ()) -> list[str]:
        """`items`, and those of which only other files are there: they are missed when they are read.

        Without any item, the split is empty, whatever other folders hold.

        Args:
            parallel: names of further folders that hold a file per item, where they exist.
        """
        names = {
            name
            for other in {*self.source_folders, *parallel}
            if os.path.isdir(os.path.join(folder, other))
            for name in os.listdir(os.path.join(folder, other))
            if os.path.splitext(name)[1] in self.ext and not name.startswith(".")
        }
        return sorted({*items, *names}) if items else []


class MusdbItems(DescribesItems):
    """Items of nussl's MUSDB18: numbers of the tracks in `self.musdb`."""

    def item_name(self, item: int) -> str:
        return self.musdb[item].name.replace("/", ".")

    def item_files(self, item: int) -> list[Path]:
        track = self.musdb[item]
        return [Path(path) for path in (track.path, *(s.path for s in track.sources.values()))]

    def duration_seconds(self, item: int) -> float:
        return self.musdb[item].duration


class SoundscapeItems(DescribesItems):
    """Items of nussl's Scaper and FUSS: .jams files, which name the audio."""

    def item_files(self, item: str) -> list[Path]:
        if not Path(self.folder, item).is_file():  # see `get_items`
            return [Path(self.folder, item)]
        _, _, mix_path, source_paths = self._get_info_from_item(item)
        return [Path(path) for path in (mix_path, *source_paths)]

    def check_item(self, item: str, where: str) -> None:
        """Does nothing: reading fails on a missing file anyway, and loading a .jams is slow."""


OF_NUSSL = (
    (nussl.datasets.MixSourceFolder, FolderItems),
    (nussl.datasets.MUSDB18, MusdbItems),
    (nussl.datasets.Scaper, SoundscapeItems),
)


def described(dataset: nussl.datasets.BaseDataset) -> DescribesItems:
    """`dataset`, with the methods of DescribesItems.

    A dataset that doesn't inherit them, such as one of nussl's, comes back as a shallow copy with
    defaults for the methods that its class lacks. Don't keep the copy: it can't be pickled.
    """
    if isinstance(dataset, DescribesItems):
        return dataset
    view = copy.copy(dataset)
    view.__class__ = completed(type(dataset))
    return view


@functools.cache
def completed(kind: type) -> type:
    """A subclass of `kind`, a dataset class from elsewhere, with defaults for what it lacks."""
    known = (ours for theirs, ours in OF_NUSSL if issubclass(kind, theirs))
    return type(kind.__name__, (kind, next(known, DescribesItems)), {})
