"""Write a mixer's mixtures to disk, with their isolated sources and jams."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gin
import numpy as np

from audition.audio.files import write_wav
from audition.errors import ConfigError
from audition.files import claim, write_and_rename
from audition.identity import describe
from audition.mixing.mixers import Mixer
from audition.mixing.scenes import Mixture
from audition.parallel import map_items
from audition.runs.folder import Run

log = logging.getLogger(__name__)

MARKER = "make_scaper_datasets.json"
BITDEPTHS = (16, 24, 32)


@gin.configurable(denylist=["run"])
def make_scaper_datasets(
    run: Run | None,
    destination: str = gin.REQUIRED,
    mixers: dict[str, Mixer] = gin.REQUIRED,
    num_mixtures: dict[str, int] = gin.REQUIRED,
    quiet_db: float | None = -60.0,
    max_attempts: int = 10,
    bitdepth: int = 16,
    num_workers: int = 0,
) -> None:
    """Writes `<destination>/<name>/00000000.{wav,jams}` and `00000000_events/*.wav` for each mixer.

    The layout is Scaper's own; the dataset `Scaper` reads it. Mixture `i` is the one that OnTheFly
    would make with the same mixer, so more mixtures can be added to a folder later. A second call
    continues where the first was stopped.

    Args:
        run: not used; the data sets belong to no run.
        destination: folder of the data sets, new, or made by this command with the same settings.
        mixers: dict, name of a data set → mixer, such as `{'train': @train/CoherentMixer()}`.
        num_mixtures: dict, name of a data set → number of mixtures.
        quiet_db: a mixture with an RMS below this, in dB of full scale, is redrawn; None takes all.
        max_attempts: how often to draw a mixture before giving up.
        bitdepth: of the wav files: 16, 24 or 32.
        num_workers: processes; 0 works in this one.
    """
    check(mixers, num_mixtures, bitdepth)
    settings = {"quiet_db": quiet_db, "max_attempts": max_attempts, "bitdepth": bitdepth}
    folders = {name: Path(destination, name).absolute() for name in mixers}
    for name, folder in folders.items():
        claimed = {**settings, "mixer": describe(mixers[name])}
        claim(folder, MARKER, claimed, "make_scaper_datasets.destination", "mixtures")
    jobs = [
        (f"{name}/{number:08d}", (mixers[name], folder, number, *settings.values()))
        for name, folder in folders.items()
        for number in range(num_mixtures[name])
        if not (folder / f"{number:08d}.jams").exists()
    ]
    attempts = map_items(
        write_mixture, jobs, num_workers, "make_scaper_datasets", len(jobs), "mixture"
    )
    redrawn = sum(attempt > 0 for _, attempt in attempts)
    log.info(
        "%d mixtures in %s, %d of them redrawn because they were quiet",
        len(jobs),
        destination,
        redrawn,
    )


def check(mixers: dict[str, Mixer], num_mixtures: dict[str, int], bitdepth: int) -> None:
    if set(mixers) != set(num_mixtures):
        raise ConfigError(
            f"make_scaper_datasets.mixers has {sorted(mixers)} and num_mixtures has "
            f"{sorted(num_mixtures)}; both need the same names."
        )
    if bitdepth not in BITDEPTHS:
        raise ConfigError(f"make_scaper_datasets.bitdepth = {bitdepth} must be 16, 24 or 32.")


def write_mixture(
    mixer: Mixer,
    folder: Path,
    number: int,
    quiet_db: float | None,
    max_attempts: int,
    bitdepth: int,
) -> int:
    """Writes the files of one mixture, its jams last; returns how many draws were too quiet."""
    mixture, attempt = draw_mixture(mixer, number, quiet_db, max_attempts)
    annotation = mixture.jam.annotations[0]
    stem, subtype = f"{number:08d}", f"PCM_{bitdepth}"
    paths = [folder / f"{stem}_events" / name for name in event_files(annotation)]
    path, rate = folder / f"{stem}.wav", mixer.sample_rate
    for event_path, audio in zip(paths, mixture.sources.values(), strict=True):
        write_wav(event_path, audio, rate, subtype)
    write_wav(path, mixture.mix, rate, subtype)
    annotation.sandbox.scaper.update(
        audio_path=str(path),
        soundscape_audio_path=str(path),
        isolated_events_audio_path=[str(event_path) for event_path in paths],
        save_isolated_events=True,
    )
    with write_and_rename(folder / f"{stem}.jams") as file:
        file.write(mixture.jam.dumps(indent=2))
    return attempt


def draw_mixture(
    mixer: Mixer, number: int, quiet_db: float | None, max_attempts: int
) -> tuple[Mixture, int]:
    """The first Mixture that is not quiet, and how many before it were."""
    for attempt in range(max_attempts):
        mixture = mixer.mix(number, attempt)
        if quiet_db is None or np.sqrt(np.mean(mixture.mix**2)) > 10 ** (quiet_db / 20):
            return mixture, attempt
    raise ConfigError(
        f"{max_attempts} draws of mixture {number} are all below make_scaper_datasets.quiet_db = "
        f"{quiet_db}: lower it, or bind the mixer's loud_regions."
    )


def event_files(annotation: Any) -> Iterator[str]:
    """File names as Scaper gives them: role, number within that role, label."""
    counts = Counter()
    for observation in annotation.data:
        role, label = observation.value["role"], observation.value["label"]
        yield f"{role}{counts[role]}_{label}.wav"
        counts[role] += 1
