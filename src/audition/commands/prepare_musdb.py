"""Turn MUSDB18 into one folder of wav files per split and stem, at one sample rate."""

import fnmatch
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np

from audition.audio.files import convert, read, to_16_bit, write_wav
from audition.errors import ConfigError
from audition.files import claim
from audition.parallel import map_items
from audition.runs.folder import Run

log = logging.getLogger(__name__)

MARKER = "prepare_musdb.json"
STEMS = ("vocals", "drums", "bass", "other")
ACCOMPANIMENT = STEMS[1:]
MP4_SUFFIX = ".stem.mp4"
STEM_IDS = {"mixture": 0, "drums": 1, "bass": 2, "other": 3, "vocals": 4}  # streams of a .stem.mp4


class Track(NamedTuple):
    """A song of MUSDB18: a folder of wav files, or a .stem.mp4 file."""

    path: Path
    title: str
    split: str


@gin.configurable(denylist=["run"])
def prepare_musdb(
    run: Run | None,
    source: str = gin.REQUIRED,
    destination: str = gin.REQUIRED,
    sample_rate: int = gin.REQUIRED,
    num_channels: int = gin.REQUIRED,
    validation_titles: Sequence[str] | None = None,
    num_workers: int = 0,
) -> None:
    """Writes `<destination>/{train,valid,test}/{vocals,…,accompaniment,mixture}/<title>.wav`.

    The files are 16-bit wav; accompaniment is drums + bass + other. A second call continues where
    the first was stopped. The layout suits MixSourceFolder and Scaper.

    Args:
        run: not used; the corpus belongs to no run.
        source: folder with `{train,test}/<title>/{mixture,vocals,drums,bass,other}.wav`
            (MUSDB18-HQ), or `{train,test}/<title>.stem.mp4` (MUSDB18, which needs ffmpeg).
        destination: folder, new or filled by this command with the same settings.
        sample_rate: Hz.
        num_channels: 1 takes the mean of both.
        validation_titles: list of titles, or patterns such as `'* 7'`, of training songs to
            validate on; None takes the 14 that musdb's authors chose.
        num_workers: processes; 0 works in this one.
    """
    destination = Path(destination)
    patterns = musdb_validation_titles() if validation_titles is None else list(validation_titles)
    tracks = find_tracks(Path(source), patterns)
    if validation_titles is not None:
        check_patterns(patterns, tracks)
    settings = {
        "sample_rate": sample_rate,
        "num_channels": num_channels,
        "validation_titles": sorted(patterns),
    }
    claim(destination, MARKER, settings, "prepare_musdb.destination", "a prepared MUSDB18")
    jobs = [
        (track.title, (track, destination, sample_rate, num_channels))
        for track in tracks
        if not is_prepared(track, destination)
    ]
    for _ in map_items(prepare_track, jobs, num_workers, "prepare_musdb", len(jobs), "song"):
        pass
    log.info("%d songs in %s, %d of them new", len(tracks), destination, len(jobs))


def musdb_validation_titles() -> list[str]:
    import yaml

    import musdb

    settings = Path(musdb.__file__).parent / "configs" / "mus.yaml"
    return yaml.safe_load(settings.read_text())["validation_tracks"]


def find_tracks(source: Path, patterns: Sequence[str]) -> list[Track]:
    """Tracks, sorted by subset and title."""
    for subset in ("train", "test"):
        if not (source / subset).is_dir():
            raise ConfigError(
                f"prepare_musdb.source: there is no folder {source / subset}; give the folder that "
                "holds train/ and test/."
            )
    tracks = [
        Track(path, title_of(path), choose_split(subset, title_of(path), patterns))
        for subset in ("train", "test")
        for path in sorted((source / subset).iterdir())
        if path.is_dir() or path.name.endswith(MP4_SUFFIX)
    ]
    if not tracks:
        raise ConfigError(
            f"prepare_musdb.source = {str(source)!r} holds no song: neither <title>/mixture.wav "
            f"nor <title>{MP4_SUFFIX} in train/ or test/."
        )
    return tracks


def title_of(path: Path) -> str:
    return path.name.removesuffix(MP4_SUFFIX)


def choose_split(subset: str, title: str, patterns: Sequence[str]) -> str:
    return "valid" if subset == "train" and fits(title, patterns) else subset


def fits(title: str, patterns: Sequence[str]) -> bool:
    return title in patterns or any(fnmatch.fnmatchcase(title, pattern) for pattern in patterns)


def check_patterns(patterns: Sequence[str], tracks: Sequence[Track]) -> None:
    """Checks that each pattern that the user gave fits a training song."""
    titles = [track.title for track in tracks if track.split == "valid"]
    idle = [pattern for pattern in patterns if not any(fits(title, [pattern]) for title in titles)]
    if idle:
        raise ConfigError(
            f"prepare_musdb.validation_titles has {idle[0]!r}, which no training song has; check "
            "the title."
        )


def destinations(track: Track, destination: Path) -> dict[str, Path]:
    """dict, name of stem → path to write."""
    folder = destination / track.split
    return {
        name: folder / name / f"{track.title}.wav" for name in (*STEMS, "accompaniment", "mixture")
    }


def is_prepared(track: Track, destination: Path) -> bool:
    return all(path.exists() for path in destinations(track, destination).values())


def prepare_track(track: Track, destination: Path, sample_rate: int, num_channels: int) -> None:
    """Writes the six files of a song."""
    signals = {}
    for name in (*STEMS, "mixture"):
        audio, rate = read_stem(track.path, name)
        signals[name] = to_16_bit(convert(audio, rate, sample_rate, num_channels))
    check_lengths(track, signals)
    accompaniment = sum(signals[name].astype(np.int32) for name in ACCOMPANIMENT)
    signals["accompaniment"] = np.clip(accompaniment, -(2**15), 2**15 - 1).astype(np.int16)
    for name, path in destinations(track, destination).items():
        write_wav(path, signals[name], sample_rate)


def read_stem(path: Path, name: str) -> tuple[np.ndarray, int]:
    """`(sample, channel)` of a stem or of the mixture, and its rate."""
    if path.is_dir():
        if not (path / f"{name}.wav").exists():
            raise ConfigError(f"{path} has no {name}.wav; add the stem or remove the song.")
        return read(path / f"{name}.wav")
    import musdb  # brings stempeg or, without ffmpeg, our stand-in that says so

    return musdb.stempeg.read_stems(str(path), stem_id=STEM_IDS[name])


def check_lengths(track: Track, signals: dict[str, np.ndarray]) -> None:
    lengths = {name: len(audio) for name, audio in signals.items()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(
            f"The stems of {track.path} differ in length ({lengths}): repair the song or remove it."
        )
