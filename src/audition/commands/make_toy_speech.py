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
from audition.toy.speech import ESPEAK_HZ, Speaker, draw_speakers, speak

log = logging.getLogger(__name__)

SPLITS = ("tr", "cv", "tt")
MODES = ("min", "max")
MARKER = "toy_speech.json"
VERSION = 2  # of what is rendered for given settings
SUMS = {
    "mix_clean": ("s1", "s2"),
    "mix_both": ("s1", "s2", "noise"),
    "mix_single": ("s1", "noise"),
}
FOLDERS = ("s1", "s2", "noise", *SUMS)
SPEECH_DB = (-2.5, 2.5)  # level of the first speaker; the second has its negative, as in WHAM!
NOISE_DB = (-6.0, 3.0)  # level of the louder speaker over the noise, as in WHAM!


@gin.configurable(denylist=["run"])
def make_toy_speech(
    run: Run | None,
    root: str = gin.REQUIRED,
    num_mixtures: dict[str, int] = gin.REQUIRED,
    same_register: float = 0.5,
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
        same_register: fraction of the mixtures with two low or two high voices, which are hard.
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
    import_toy_package("espeakng_loader")
    root = Path(root)
    settings = Settings(
        dict(num_mixtures), same_register, seconds, list(sample_rates), list(modes), seed, far
    )
    claim(root, MARKER, settings._asdict(), "make_toy_speech.root", VERSION)
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

    speakers: tuple[Speaker, Speaker]
    babblers: tuple[Speaker, ...]
    reverberation: float  # seconds, of the room they are all in; 0 is no room
    level_db: float  # of the first speaker; the second has its negative
    noise_db: float  # of the louder speaker over the noise
    name: str


def draw_plan(random: np.random.Generator, voices: str, index: int, same_register: float) -> Plan:
    speakers, babblers = draw_pairs(random, voices, same_register)
    reverberation = draw_reverberation(random)
    level_db = round(random.uniform(*SPEECH_DB), 4)
    first, second = (f"{speaker}-{index:05d}" for speaker in speakers)
    name = f"{first}_{level_db:.4f}_{second}_{-level_db:.4f}.wav"
    noise_db = random.uniform(*NOISE_DB)
    return Plan(speakers, babblers, reverberation, level_db, noise_db, name)


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


def render_mixture(root: Path, split: str, index: int, settings: Settings) -> None:
    """Writes the six files of one mixture, for each sample rate and mode, unless all exist."""
    random = np.random.default_rng((settings.seed, SPLITS.index(split), index))
    voices = settings.voices(split)
    plan = draw_plan(random, voices, index, settings.same_register)
    folders = {
        (rate, mode): root / f"wav{rate // 1000}k" / mode / split
        for rate in settings.sample_rates
        for mode in settings.modes
    }
    if all((path / name / plan.name).exists() for path in folders.values() for name in FOLDERS):
        return
    sources = draw_sources(random, voices, plan, settings.seconds)
    for (rate, mode), folder in folders.items():
        signals = mixtures_and_sources(cut(resample(sources, rate), mode))
        for name, audio in signals.items():
            write_wav(folder / name / plan.name, audio, rate)


def draw_sources(
    random: np.random.Generator, voices: str, plan: Plan, seconds: float
) -> dict[str, np.ndarray]:
    """`{"s1", "s2", "noise"}` → array `(sample,)` at ESPEAK_HZ; s1 and s2 keep their lengths."""
    levels = (plan.level_db, -plan.level_db)
    first, second = [
        at_level(hear(random, voices, speaker, seconds, plan.reverberation), level)
        for speaker, level in zip(plan.speakers, levels, strict=True)
    ]
    num_samples = max(len(first), len(second))
    noise = draw_noise(random, voices, plan, num_samples)
    return {
        "s1": first,
        "s2": second,
        "noise": at_level(noise, max(levels) - plan.noise_db),
    }


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
    """All sources at the length of the shorter speaker ("min") or of the longer one ("max")."""
    length = {"min": min, "max": max}[mode](len(sources["s1"]), len(sources["s2"]))
    return {
        name: np.pad(audio[:length], (0, max(0, length - len(audio))))
        for name, audio in sources.items()
    }


def mixtures_and_sources(sources: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The content of the six folders as int16; the sums are exact."""
    exact = quantise(sources)
    sums = {mix: sum(exact[name] for name in names) for mix, names in SUMS.items()}
    return {**exact, **sums}
