"""Turn any folder of audio files into wav files of one sample rate."""

import logging
from pathlib import Path

import gin

from audition.audio.files import AUDIO_SUFFIXES, convert, read, to_16_bit, write_wav
from audition.errors import ConfigError
from audition.files import claim, files_below
from audition.parallel import map_items
from audition.runs.folder import Run

log = logging.getLogger(__name__)

MARKER = "resample_folder.json"


@gin.configurable(denylist=["run"])
def resample_folder(
    run: Run | None,
    source: str = gin.REQUIRED,
    destination: str = gin.REQUIRED,
    sample_rate: int = gin.REQUIRED,
    num_channels: int | None = None,
    class_level: int | None = None,
    num_workers: int = 0,
) -> None:
    """Writes each wav, flac, mp3, ogg or aiff file below `source` as 16-bit wav in `destination`.

    A second call continues where the first was stopped.

    Args:
        run: not used; the files belong to no run.
        source: folder of audio, at any depth.
        destination: folder, new or filled by this command with the same settings.
        sample_rate: Hz.
        num_channels: 1 takes the mean of all; None keeps the channels of each file.
        class_level: which folder on a file's path in `source` is its class, 0 being the outermost,
            -1 the innermost: the file goes to `<destination>/<class>/`, as Scaper wants it, and the
            rest of its path into its name. None keeps the tree as it is.
        num_workers: processes; 0 works in this one.
    """
    source, destination = Path(source).resolve(), Path(destination).resolve()
    if destination.is_relative_to(source):
        raise ConfigError(
            f"resample_folder.destination = {str(destination)!r} lies in resample_folder.source: "
            "give a folder outside it."
        )
    targets = plan(source, class_level)
    settings = {
        "sample_rate": sample_rate,
        "num_channels": num_channels,
        "class_level": class_level,
    }
    claim(destination, MARKER, settings, "resample_folder.destination", "resampled audio")
    jobs = [
        (str(target), (path, destination / target, sample_rate, num_channels))
        for target, path in targets.items()
        if not (destination / target).exists()
    ]
    for _ in map_items(resample_file, jobs, num_workers, "resample_folder", len(jobs)):
        pass
    log.info("%d files in %s, %d of them new", len(targets), destination, len(jobs))


def plan(source: Path, class_level: int | None) -> dict[Path, Path]:
    """dict, path within the destination → file to read."""
    targets = {}
    for path in files_below(source, AUDIO_SUFFIXES):
        target = choose_target(path.relative_to(source), class_level)
        if target in targets:
            raise ConfigError(
                f"resample_folder.source: {targets[target]} and {path} would both become "
                f"{target}; rename one."
            )
        targets[target] = path
    if not targets:
        raise ConfigError(
            f"resample_folder.source = {str(source)!r} holds no audio file "
            f"({', '.join(sorted(AUDIO_SUFFIXES))}); check the path."
        )
    return targets


def choose_target(path: Path, class_level: int | None) -> Path:
    """Where the file at `path` goes; both paths are relative."""
    if class_level is None:
        return path.with_suffix(".wav")
    folders = list(path.parent.parts)
    try:
        label = folders.pop(class_level)
    except IndexError:
        raise ConfigError(
            f"resample_folder.class_level = {class_level}, but {path} lies in {len(folders)} "
            "folders; lower it, or move the file."
        ) from None
    return Path(label, ".".join([*folders, path.stem]) + ".wav")


def resample_file(path: Path, target: Path, sample_rate: int, num_channels: int | None) -> None:
    audio, rate = read(path)
    write_wav(target, to_16_bit(convert(audio, rate, sample_rate, num_channels)), sample_rate)
