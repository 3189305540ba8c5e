"""Render a small speech corpus with espeak-ng, in the layout of WHAM!."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np
import soxr

from audition.audio.files import write_wav
from audition.errors import ConfigError
from audition.parallel import map_items
from audition.runs.folder import Run
from audition.toy.acoustics import coloured_noise, draw_reverberation, place, swell
from audition.toy.rendering import claim, from_db, import_toy_package, quantise, rms
from audition.toy.speech import ESPEAK_HZ, Speaker, draw_others, draw_speakers, speak

log = logging.getLogger(__name__)

SPLITS = ("tr", "cv", "tt")
MODES = ("min", "max")
MARKER = "toy_speech.json"
VERSION = 2  # of what is rendered for given settings
MAX_SPEAKERS = 3  # the splits have voices for these and two more, who babble
SPEECH_DB = (-2.5, 2.5)  # level of the first speaker; the second has its negative, as in WHAM!
NOISE_DB = (-6.0, 3.0)  # level of the louder speaker over the noise, as in WHAM!


@gin.configurable(denylist=["run"])
def make_toy_speech(
    run: Run | None,
    root: str = gin.REQUIRED,
    num_mixtures: dict[str, int] = gin.REQUIRED,
    same_register: float = 0.5,
    num_speakers: int = 2,
    seconds: float = 4.0,
    sample_rates: Sequence[int] = (8000,),
    modes: Sequence[str] = ("min",),
    seed: int = 0,
    far: bool = False,
    num_workers: int = 0,
) -> None:
    """Renders `<root>/wav8k/min/{tr,cv,tt}/{s1,s2,noise,mix_clean,mix_both,mix_single}/*.wav`.

    Mixture `i` of a split depends only on `(seed, split, i)`. A second call continues where the
    first was stopped. No voice and no word of one split is heard in another.

    Args:
        run: not used; the corpus belongs to no run.
        root: folder of the corpus, new, or made by this command with the same settings.
        num_mixtures: dict, split ("tr", "cv", "tt") → number of mixtures.
        same_register: fraction of the mixtures whose first two voices are both low or both high,
            which are hard.
        num_speakers: 2, or 3, which adds a folder s3.
        seconds: each speaker speaks in whole sentences until this is reached.
        sample_rates: 8000, 16000 or both; Hz.
        modes: "min" (cut to the shorter speaker), "max" (padded to the longer one) or both.
        seed: of all that is random.
        far: True gives all splits a synthesiser's voices and language families that no split has
            otherwise.
        num_workers: processes; 0 renders in this one.
    """
    check("num_mixtures", num_mixtures, SPLITS)
    check("modes", modes, MODES)
    check("sample_rates", sample_rates, (8000, 16000))
    check("num_speakers", [num_speakers], (2, MAX_SPEAKERS))
    import_toy_package("espeakng_loader")
    root = Path(root)
    settings = Settings(
        dict(num_mixtures),
        same_register,
        seconds,
        list(sample_rates),
        list(modes),
        seed,
        far,
        num_speakers,
    )
    claim(root, MARKER, settings.marked(), "make_toy_speech.root", VERSION)
    jobs = [
        (f"{split}/{index}", (root, split, index, settings))
        for split, count in num_mixtures.items()
        for index in range(count)
    ]
    for _ in map_items(render_mixture, jobs, num_workers, "make_toy_speech", len(jobs), "mixture"):
        pass
    log.info("%d mixtures in %s", len(jobs), root)


class Settings(NamedTuple):
    """All that shapes the content; arguments of make_toy_speech."""

    num_mixtures: dict[str, int]
    same_register: float
    seconds: float
    sample_rates: list[int]
    modes: list[str]
    seed: int
    far: bool
    num_speakers: int

    def marked(self) -> dict:
        """What the corpus's folder says of them; without the number of speakers where it is 2, as
        corpora say that were rendered before there could be three."""
        settings = self._asdict()
        if self.num_speakers == 2:
            del settings["num_speakers"]
        return settings

    def voices(self, split: str) -> str:
        """Whose voices and words a split has, a key of VOICES and PHRASES."""
        return "far" if self.far else split


def check(argument: str, values: Iterable[str | int], known: Sequence[str | int]) -> None:
    unknown = [value for value in values if value not in known]
    if unknown:
        raise ConfigError(
            f"make_toy_speech.{argument} has {unknown[0]!r}; "
            f"it may hold {', '.join(map(str, known))}."
        )


class Plan(NamedTuple):
    """What one mixture is made of, drawn before any sound is rendered."""

    speakers: tuple[Speaker, ...]
    babblers: tuple[Speaker, ...]
    reverberation: float  # seconds, of the room they are all in; 0 is no room
    levels_db: tuple[float, ...]  # of the speakers
    noise_db: float  # of the loudest speaker over the noise
    name: str


def draw_plan(
    random: np.random.Generator,
    voices: str,
    index: int,
    same_register: float,
    num_speakers: int = 2,
) -> Plan:
    pair, babblers = draw_pairs(random, voices, same_register)
    reverberation = draw_reverberation(random)
    level_db = round(random.uniform(*SPEECH_DB), 4)
    noise_db = random.uniform(*NOISE_DB)
    speakers = (*pair, *draw_others(random, voices, [*pair, *babblers], num_speakers - 2))
    levels_db = (level_db, -level_db, 0.0)[:num_speakers]  # wsj0-3mix has its third at 0 dB as well
    named = [f"{speaker}-{index:05d}" for speaker in speakers]
    name = "_".join(f"{who}_{db:.4f}" for who, db in zip(named, levels_db, strict=True))
    return Plan(speakers, babblers, reverberation, levels_db, noise_db, f"{name}.wav")


def draw_pairs(
    random: np.random.Generator, voices: str, same_register: float
) -> tuple[tuple[Speaker, Speaker], tuple[Speaker, Speaker]]:
    """The two speakers, and two other voices for babble."""
    low = draw_speakers(random, voices, "low", 2)
    high = draw_speakers(random, voices, "high", 2)
    if random.random() >= same_register:
        low, high = zip(low, high, strict=True)
    speakers, babblers = (tuple(pair[k] for k in random.permutation(2)) for pair in (low, high))
    return (speakers, babblers) if random.random() < 0.5 else (babblers, speakers)


def folders_and_sums(num_speakers: int) -> dict[str, tuple[str, ...]]:
    """Folder → the sources that its files are the sum of; a source is the sum of itself."""
    spoken = tuple(f"s{k + 1}" for k in range(num_speakers))
    alone = {source: (source,) for source in (*spoken, "noise")}
    mixes = {
        "mix_clean": spoken,
        "mix_both": (*spoken, "noise"),
        "mix_single": ("s1", "noise"),
    }
    return {**alone, **mixes}


def render_mixture(root: Path, split: str, index: int, settings: Settings) -> None:
    """Writes the files of one mixture, for each sample rate and mode, unless all exist."""
    random = np.random.default_rng((settings.seed, SPLITS.index(split), index))
    voices = settings.voices(split)
    plan = draw_plan(random, voices, index, settings.same_register, settings.num_speakers)
    sums = folders_and_sums(settings.num_speakers)
    folders = {
        (rate, mode): root / f"wav{rate // 1000}k" / mode / split
        for rate in settings.sample_rates
        for mode in settings.modes
    }
    if all((path / name / plan.name).exists() for path in folders.values() for name in sums):
        return
    sources = draw_sources(random, voices, plan, settings.seconds)
    for (rate, mode), folder in folders.items():
        exact = quantise(cut(resample(sources, rate), mode))
        for name, parts in sums.items():
            write_wav(folder / name / plan.name, sum(exact[part] for part in parts), rate)


def draw_sources(
    random: np.random.Generator, voices: str, plan: Plan, seconds: float
) -> dict[str, np.ndarray]:
    """`{"s1", "s2", "noise"}` → array `(sample,)` at ESPEAK_HZ; speakers keep their lengths."""
    spoken = {
        f"s{k + 1}": at_level(hear(random, voices, speaker, seconds, plan.reverberation), level)
        for k, (speaker, level) in enumerate(zip(plan.speakers, plan.levels_db, strict=True))
    }
    noise = draw_noise(random, voices, plan, max(map(len, spoken.values())))
    return {**spoken, "noise": at_level(noise, max(plan.levels_db) - plan.noise_db)}


def hear(
    random: np.random.Generator,
    voices: str,
    speaker: Speaker,
    seconds: float,
    reverberation: float,
) -> np.ndarray:
    """A speaker in the room of the mixture, `(sample,)`, `seconds` long or a little longer."""
    return place(random, speak(random, voices, speaker, seconds), reverberation, ESPEAK_HZ)


def at_level(audio: np.ndarray, level_db: float) -> np.ndarray:
    return audio * from_db(level_db) / rms(audio)


def draw_noise(
    random: np.random.Generator, voices: str, plan: Plan, num_samples: int
) -> np.ndarray:
    """Coloured noise, steady or swelling, or voices over a coloured floor."""
    kind = random.choice(["steady", "swelling", "babble"])
    noise = coloured_noise(random, num_samples, ESPEAK_HZ)
    if kind == "swelling":
        noise = noise * swell(random, num_samples, ESPEAK_HZ)
    elif kind == "babble":
        babble = [
            hear(random, voices, speaker, num_samples / ESPEAK_HZ, plan.reverberation)
            for speaker in plan.babblers
        ]
        noise = 0.3 * noise + sum(voice[:num_samples] / rms(voice) for voice in babble)
    return noise


def resample(sources: dict[str, np.ndarray], sample_rate: int) -> dict[str, np.ndarray]:
    return {name: soxr.resample(audio, ESPEAK_HZ, sample_rate) for name, audio in sources.items()}


def cut(sources: dict[str, np.ndarray], mode: str) -> dict[str, np.ndarray]:
    """All sources at the length of the shortest speaker ("min") or of the longest ("max")."""
    spoken = [len(audio) for name, audio in sources.items() if name != "noise"]
    length = {"min": min, "max": max}[mode](spoken)
    return {
        name: np.pad(audio[:length], (0, max(0, length - len(audio))))
        for name, audio in sources.items()
    }
