"""Render a few coherent songs, played by a SoundFont, in the layout of MUSDB18-HQ."""

import logging
from pathlib import Path

import gin
import numpy as np

from audition.audio.files import write_wav
from audition.errors import ConfigError
from audition.parallel import map_items
from audition.runs.folder import Run
from audition.toy.music import STEMS, compose, find_soundfont, play
from audition.toy.rendering import claim, from_db, import_toy_package, quantise, rms

log = logging.getLogger(__name__)

SUBSETS = {  # its number in seeds, its folder, how its songs are composed, how their titles end
    "train": (0, "train", "train", ""),
    "test": (1, "test", "test", ""),
    "valid": (2, "train", "train", " (Rehearsal)"),
}
MARKER = "toy_music.json"
VERSION = 2  # of what is rendered for given settings
STEM_DB = {"vocals": 0.0, "drums": -1.0, "bass": -2.0, "other": -3.0}
SPREAD_DB = 2.0  # how far each stem's level may vary
FADE_SECONDS = 0.05
ADJECTIVES = "Amber Quiet Northern Paper Velvet Hollow Electric Distant".split()
CREATURES = "Herons Foxes Otters Lanterns Comets Sparrows Machines Rivers".split()
MOMENTS = "Monday Harbour Winter Window Summit Signal Orchard Midnight".split()


@gin.configurable(denylist=["run"])
def make_toy_music(
    run: Run | None,
    root: str = gin.REQUIRED,
    num_songs: dict[str, int] = gin.REQUIRED,
    seconds: float = 30.0,
    sample_rate: int = 44100,
    seed: int = 0,
    num_workers: int = 0,
) -> None:
    """Renders `<root>/{train,test}/<Artist - Title>/{mixture,vocals,drums,bass,other}.wav`, stereo.

    Songs to validate on are in train/, as in MUSDB18; their titles end in "(Rehearsal)". Test songs
    have instruments, chords and an order of sections that no other song has. Song `i` of a subset
    depends only on `(seed, subset, i)`; the mixture is the sum of its stems, sample by sample. A
    second call continues where the first was stopped.

    Args:
        run: not used; the corpus belongs to no run.
        root: folder of the corpus, new, or made by this command with the same settings.
        num_songs: dict, subset ("train", "valid", "test") → number of songs.
        seconds: length of each song.
        sample_rate: Hz; MUSDB18 has 44100.
        seed: of all that is random.
        num_workers: processes; 0 renders in this one.
    """
    unknown = [subset for subset in num_songs if subset not in SUBSETS]
    if unknown:
        raise ConfigError(
            f"make_toy_music.num_songs has {unknown[0]!r}; it may hold train, valid, test."
        )
    import_toy_package("tinysoundfont")
    find_soundfont()
    root = Path(root)
    settings = {
        "num_songs": dict(num_songs),
        "seconds": seconds,
        "sample_rate": sample_rate,
        "seed": seed,
    }
    claim(root, MARKER, settings, "make_toy_music.root", VERSION)
    jobs = [
        (f"{subset}/{index}", (root, subset, index, seconds, sample_rate, seed))
        for subset, count in num_songs.items()
        for index in range(count)
    ]
    for _ in map_items(render_song, jobs, num_workers, "make_toy_music", len(jobs), "song"):
        pass
    log.info("%d songs in %s", len(jobs), root)


def render_song(
    root: Path, subset: str, index: int, seconds: float, sample_rate: int, seed: int
) -> None:
    """Writes the five files of one song, unless all exist."""
    number, folder_name, style, ending = SUBSETS[subset]
    random = np.random.default_rng((seed, number, index))
    folder = root / folder_name / f"{draw_title(random)} {index + 1}{ending}"
    if all((folder / f"{name}.wav").exists() for name in ("mixture", *STEMS)):
        return
    song = compose(random, style, seconds)
    stems = {}
    for stem, level_db in STEM_DB.items():
        audio = play(song.notes[stem], stem, song.programs[stem], seconds, sample_rate)
        gain = from_db(level_db + random.uniform(-SPREAD_DB, SPREAD_DB)) / rms(audio)
        pan = random.uniform(0.8, 1.2)
        stems[stem] = fade(audio * gain * (pan, 2 - pan), sample_rate)
    stems = quantise(stems)
    for name, audio in {**stems, "mixture": sum(stems.values())}.items():
        write_wav(folder / f"{name}.wav", audio, sample_rate)


def draw_title(random: np.random.Generator) -> str:
    """`Artist - Title`."""
    artist = f"{random.choice(ADJECTIVES)} {random.choice(CREATURES)}"
    return f"{artist} - {random.choice(ADJECTIVES)} {random.choice(MOMENTS)}"


def fade(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fades the end of `audio`, `(sample, channel)`, to silence, since the song is cut there."""
    length = min(int(FADE_SECONDS * sample_rate), len(audio))
    envelope = np.ones((len(audio), 1))
    envelope[len(audio) - length :, 0] = np.linspace(1, 0, length)
    return audio * envelope
