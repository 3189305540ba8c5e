"""nussl's datasets under the same names: faster to read, with errors that say what to do.

`num_channels = 1` averages the channels of a file (nussl takes the left one).
"""

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gin
import nussl
from nussl.datasets.base_dataset import DataSetException

from audition.audio.files import read
from audition.audio.signals import put_audio
from audition.datasets.items import DescribesItems, FolderItems, MusdbItems, SoundscapeItems
from audition.errors import ConfigError
from audition.files import inside

register = gin.register(module="nussl.datasets")

ROUNDING_SECONDS = 0.01
WHAM_FOLDERS = ("mix_both", "mix_clean", "mix_single", "noise", "s1", "s2")


class ReadsBySoundfile:
    """Reads a file in one go: the same float32 numbers as nussl, at twenty times the speed."""

    def _load_audio_file(self, path_to_audio_file):
        audio, sample_rate = read(path_to_audio_file)
        self.check_sample_rate(path_to_audio_file, sample_rate)
        self.check_channels(path_to_audio_file, audio.shape[1])
        signal = copy.copy(empty_signal(sample_rate, self.stft_params))
        signal._effects_chain, signal._effects_applied = [], []
        put_audio(signal, audio.T, sample_rate)
        signal.path_to_input_file = str(path_to_audio_file)
        self._setup_audio_signal(signal)
        return signal

    def _setup_audio_signal(self, audio_signal):
        if self.num_channels == 1 and audio_signal.num_channels > 1:
            audio_signal.to_mono(overwrite=True, keep_dims=True)
        if properties(audio_signal) != properties(self):
            super()._setup_audio_signal(audio_signal)

    def check_sample_rate(self, path: str | Path, sample_rate: int) -> None:
        if self.strict_sample_rate and self.sample_rate not in (None, sample_rate):
            raise ConfigError(
                f"{path} has {sample_rate} Hz where {type(self).__name__} has {self.sample_rate} "
                "Hz: resample it, or bind strict_sample_rate = False to resample at every read."
            )

    def check_channels(self, path: str | Path, num_channels: int) -> None:
        if self.num_channels and num_channels < self.num_channels:
            raise ConfigError(
                f"{path} has {num_channels} channels where {type(self).__name__} has "
                f"{self.num_channels}: bind num_channels = {num_channels}."
            )


class Corpus(ReadsBySoundfile, DescribesItems, nussl.datasets.BaseDataset):
    """Base class for a corpus of your own: one class in one file adds it.

    A subclass needs nussl's two methods, and may override those of DescribesItems:

        get_items(folder)         list of items: paths, numbers, dicts, whatever identifies one
        process_item(item)        {"mix": signal, "sources": {name: signal}, "metadata": {…}}, with
                                  signals from self._load_audio_file(path)
        item_name(item)           its name in results, outputs and errors
        item_files(item)          its files, the mix first; a change in any of them is noticed
        duration_seconds(item)    duration of the mix
        check_item(item, where)   raises a ConfigError if the item can't be used

    If it has its own `__init__`, that sets what get_items needs and then calls this one. Public
    attributes become part of the identity of caches and results; keep paths and derived values in
    attributes that start with an underscore.

    Args:
        folder: passed to get_items.
        settings: nussl's: transform, sample_rate, stft_params, num_channels, strict_sample_rate.
    """

    def __init__(self, folder: str | Path, **settings: Any):
        require_folders(type(self).__name__, folder)
        super().__init__(str(folder), **settings)


def properties(
    signal_or_dataset: nussl.AudioSignal | nussl.datasets.BaseDataset,
) -> tuple[int | None, int | None, nussl.STFTParams | None]:
    return (
        signal_or_dataset.sample_rate,
        signal_or_dataset.num_channels,
        signal_or_dataset.stft_params,
    )


@functools.lru_cache(maxsize=32)
def empty_signal(sample_rate: int, stft_params: nussl.STFTParams) -> nussl.AudioSignal:
    """A signal to copy: AudioSignal's constructor checks its window, slower than reading a file."""
    return nussl.AudioSignal(sample_rate=sample_rate, stft_params=stft_params)


@contextlib.contextmanager
def plain_errors(noun: str) -> Iterator[None]:
    """Turns nussl's complaints about arguments into a ConfigError."""
    try:
        yield
    except DataSetException as error:
        raise ConfigError(f"{noun}: {error}") from error


def require_folders(binding: str, folder: str | Path, names: Sequence[str] = ("",)) -> None:
    """Raises a ConfigError unless each of `names` is a folder in `folder`, which `binding` gave."""
    missing = [str(Path(folder, name)) for name in names if not Path(folder, name).is_dir()]
    if missing:
        raise ConfigError(
            f"{binding}: there is no folder {' and no '.join(missing)}; check the path."
        )


@register
class MixSourceFolder(ReadsBySoundfile, FolderItems, nussl.datasets.MixSourceFolder):
    """`<folder>/<mix_folder>/x.wav` is the sum of `<folder>/<each source folder>/x.wav`."""

    def __init__(
        self,
        folder: str | Path,
        mix_folder: str = "mix",
        source_folders: list[str] | None = None,
        ext: list[str] | None = None,
        make_mix: bool = False,
        **kwargs: Any,
    ):
        with plain_errors("MixSourceFolder"):
            super().__init__(folder, mix_folder, source_folders, ext, make_mix, **kwargs)

    def get_items(self, folder: str | Path) -> list[str]:
        names = [*([] if self.make_mix else [self.mix_folder]), *(self.source_folders or [])]
        require_folders("MixSourceFolder.folder", folder, names or [""])
        return self.every_item(super().get_items(folder), folder)


@register
class WHAM(ReadsBySoundfile, FolderItems, nussl.datasets.WHAM):
    """WHAM! (or WSJ0-2mix in its layout): `<root>/wav8k/min/tr/{mix_clean,s1,s2,…}`.

    As in nussl, the sources depend on mix_folder: s1 and s2 for mix_clean; s1, s2 and noise for
    mix_both; s1 alone for mix_single, whose mix also has noise, but not as a source.
    """

    def __init__(
        self,
        root: str | Path,
        mix_folder: str = "mix_clean",
        mode: str = "min",
        split: str = "tr",
        sample_rate: int = 8000,
        **kwargs: Any,
    ):
        with plain_errors("WHAM"):
            super().__init__(root, mix_folder, mode, split, sample_rate, **kwargs)

    def get_items(self, folder: str) -> list[str]:
        require_folders("WHAM.root", folder, [self.mix_folder, *self.source_folders])
        return self.every_item(super().get_items(folder), folder, WHAM_FOLDERS)


@register
class MUSDB18(ReadsBySoundfile, MusdbItems, nussl.datasets.MUSDB18):
    """MUSDB18 on this machine: `<folder>/{train,test}/<track>/*.wav`, or `.stem.mp4` via ffmpeg.

    nussl's own class can download a sample; this one never does.
    """

    def __init__(
        self,
        folder: str | Path,
        is_wav: bool = False,
        subsets: list[str] | None = None,
        split: str | None = None,
        **kwargs: Any,
    ):
        require_folders("MUSDB18.folder", folder, subsets or ["train", "test"])
        with plain_errors("MUSDB18"):
            super().__init__(folder, is_wav, False, subsets, split, **kwargs)

    def process_item(self, item: int) -> dict:
        track = self.musdb[item]
        missing = sorted({"bass", "drums", "other", "vocals"} - set(track.sources))
        if missing:  # musdb would mix up the audio of the stems that come after it
            raise ConfigError(
                f"MUSDB18: track {track.name!r} has no {' and no '.join(missing)}; add the stem or "
                "remove the track."
            )
        if not self.musdb.is_wav:
            return super().process_item(item)
        sources = {
            name: self.load_stem(source.path, f"musdb/{track.name}_{name}.wav")
            for name, source in track.sources.items()
        }
        mix = self.load_stem(track.path, track.name)
        return {"mix": mix, "sources": sources, "metadata": {"labels": sorted(sources)}}

    def load_stem(self, path: str | Path, name: str) -> nussl.AudioSignal:
        """The audio of a file, with the file name that nussl's class would give it."""
        signal = self._load_audio_file(path)
        signal.path_to_input_file = name
        return signal


class FindsMovedAudio:
    """Looks next to a .jams file for audio that is no longer at the paths written in it.

    A mixture whose .jams file is missing is an item that can't be read, and so is one that is shorter
    than its .jams file says.
    """

    def get_items(self, folder):
        mixes = {path.stem for path in Path(folder).glob("[!.]*.wav")} | self.listed(folder)
        return sorted({*super().get_items(folder), *(f"{name}.jams" for name in mixes)})

    def listed(self, folder: str) -> set[str]:
        """Names of the mixtures by a list that comes with the corpus."""
        return set()

    def process_item(self, item):
        data = super().process_item(item)
        duration = data["metadata"]["scaper"].file_metadata.duration
        if data["mix"].signal_duration < (duration or 0) - ROUNDING_SECONDS:
            raise ConfigError(
                f"{Path(self.folder, item)} tells of {duration} s of audio, and there are "
                f"{data['mix'].signal_duration:.6g} s: repair the mixture and its sources, or remove it."
            )
        return data

    def _get_info_from_item(self, item):
        jam, annotation, mix_path, source_paths = nussl.datasets.Scaper._get_info_from_item(
            self, item
        )
        source_paths[:] = [self.find(path, 2) for path in source_paths]
        return jam, annotation, self.find(mix_path, 1), source_paths

    def find(self, path: str, num_parts: int) -> str:
        """The last parts of `path` in the dataset's folder if they are there, else `path`.

        Raises:
            ConfigError: that is a file elsewhere, which a .jams from a stranger could name as well.
        """
        beside = inside(self.folder, Path(*Path(path).parts[-num_parts:]))
        if not beside.exists() and Path(path).exists():
            inside(self.folder, Path(path).resolve())
        return str(beside) if beside.exists() else path


@register
class Scaper(ReadsBySoundfile, FindsMovedAudio, SoundscapeItems, nussl.datasets.Scaper):
    """Soundscapes made by Scaper: `<folder>/x.jams`, x.wav and its isolated events."""

    def __init__(self, folder: str | Path, **kwargs: Any):
        require_folders("Scaper.folder", folder)
        with plain_errors("Scaper"):
            super().__init__(folder, **kwargs)


@register
class FUSS(ReadsBySoundfile, FindsMovedAudio, SoundscapeItems, nussl.datasets.FUSS):
    """Free Universal Sound Separation: `<root>/{train,validation,eval}/x.jams`, 16 kHz.

    A mix has one to four sources; for training, filter the mixes down to one number of sources.
    """

    def __init__(self, root: str | Path, split: str = "train", **kwargs: Any):
        with plain_errors("FUSS"):
            super().__init__(root, split, **kwargs)

    def get_items(self, folder: str) -> list[str]:
        require_folders("FUSS.root", folder)
        return super().get_items(folder)

    def listed(self, folder: str) -> set[str]:
        """By `<root>/<split>_example_list.txt`, which has a line per mixture, its path first."""
        path = Path(f"{folder}_example_list.txt")
        lines = path.read_text().splitlines() if path.is_file() else []
        return {Path(line.split()[0]).stem for line in lines if line.strip()}


@register
class OnTheFly(ReadsBySoundfile, DescribesItems, nussl.datasets.OnTheFly):
    """`num_mixtures` mixtures; `mix_closure(dataset, i)` makes mixture i on request."""

    def __init__(self, mix_closure: Callable, num_mixtures: int, **kwargs: Any):
        with plain_errors("OnTheFly"):
            super().__init__(mix_closure, num_mixtures, **kwargs)
