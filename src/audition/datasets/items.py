"""What a dataset says of its items: names, files, durations, what is wrong with one.

Whoever asks calls `described(dataset).item_files(item)`, whichever class the dataset is of.
"""

import copy
import functools
import os
from pathlib import Path

import nussl
import soundfile

from audition.audio.files import unreadable
from audition.errors import ConfigError


class DescribesItems:
    """What may be asked about an item, an entry of `dataset.items`, without reading its audio.

    A dataset overrides what it knows better.

    Attributes:
        unlabelled: its items may come without sources.
    """

    unlabelled = False

    def item_name(self, item) -> str:
        """Names the item in results, outputs and errors; fit for a file name, so without slashes.

        By default the stem of an item that is a path, else the item as text.
        """
        return Path(item).stem if isinstance(item, str | Path) else str(item).replace("/", ".")

    def item_files(self, item) -> list[Path]:
        """The files that the item is read from: that of the mix first, where the mix is in a file.

        A track is evaluated again when the size or the time of one of them changes. By default
        there are none, as of audio that is made up, and no change is noticed.
        """
        return []

    def duration_seconds(self, item) -> float:
        """Duration of the mix. By default by the header of the first file; where there is no file,
        the item is read.

        Raises:
            ConfigError: that file is not audio.
        """
        files = self.item_files(item)
        if not files:
            return self.process_item(item)["mix"].signal_duration
        try:
            header = soundfile.info(files[0])
        except soundfile.LibsndfileError as error:
            raise unreadable(files[0], error) from error
        return header.frames / header.samplerate

    def check_item(self, item, where: str) -> None:
        """Called before the item is read. By default each of its files must exist.

        Args:
            where: how an error begins; it names the split, the track and the dataset.

        Raises:
            ConfigError: the item cannot be used.
        """
        for path in self.item_files(item):
            if not os.path.exists(path):
                raise ConfigError(
                    f"{where} has no {os.path.relpath(path, self.folder)}; add the file or take "
                    "the track out."
                )


class FolderItems(DescribesItems):
    """Items of nussl's MixSourceFolder and WHAM, which drop a missing source without a word."""

    def item_files(self, item):
        folders = [*([] if self.make_mix else [self.mix_folder]), *self.source_folders]
        return [Path(self.folder, folder, item) for folder in folders]


class MusdbItems(DescribesItems):
    """Items of nussl's MUSDB18: numbers of the tracks in `self.musdb`."""

    def item_name(self, item):
        return self.musdb[item].name.replace("/", ".")

    def item_files(self, item):
        track = self.musdb[item]
        return [Path(path) for path in (track.path, *(s.path for s in track.sources.values()))]

    def duration_seconds(self, item):
        return self.musdb[item].duration


class SoundscapeItems(DescribesItems):
    """Items of nussl's Scaper and FUSS: .jams files, which name the audio."""

    def item_files(self, item):
        _, _, mix_path, source_paths = self._get_info_from_item(item)
        return [Path(path) for path in (mix_path, *source_paths)]

    def check_item(self, item, where):
        """Nothing: the reader misses a file by itself, and loading a .jams file twice takes long."""


OF_NUSSL = (
    (nussl.datasets.MixSourceFolder, FolderItems),
    (nussl.datasets.MUSDB18, MusdbItems),
    (nussl.datasets.Scaper, SoundscapeItems),
)


def described(dataset):
    """`dataset`, with the methods of DescribesItems.

    One that does not inherit them, such as nussl's own, comes back as a shallow copy with our
    defaults in place of those that its class lacks. The copy is to ask, not to keep: it can't be
    pickled.
    """
    if isinstance(dataset, DescribesItems):
        return dataset
    view = copy.copy(dataset)
    view.__class__ = completed(type(dataset))
    return view


@functools.cache
def completed(kind):
    """The class `kind` of datasets from elsewhere, with defaults for the methods it lacks."""
    known = (ours for theirs, ours in OF_NUSSL if issubclass(kind, theirs))
    return type(kind.__name__, (kind, next(known, DescribesItems)), {})
