"""make_toy_speech: a small speech corpus, rendered by espeak-ng, in the layout of WHAM!."""

import logging
from pathlib import Path
from typing import NamedTuple

import gin
import numpy as np
import soxr

from audition.audio.files import write_wav
from audition.errors import ConfigError
from audition.parallel import map_items
from audition.toy.rendering import claim, from_db, import_toy_package, quantise, rms
from audition.toy.speech import ESPEAK_HZ, Speaker, draw_speakers, speak

log = logging.getLogger(__name__)

SPLITS = ("tr", "cv", "tt")
MODES = ("min", "max")
MARKER = "toy_speech.json"
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
    run,
    root=gin.REQUIRED,
    num_mixtures=gin.REQUIRED,
    same_register=0.5,
    seconds=4.0,
    sample_rates=(8000,),
    modes=("min",),
    seed=0,
    num_workers=0,
):
    """Renders `<root>/wav8k/min/{tr,cv,tt}/{s1,s2,noise,mix_clean,mix_both,mix_single}/*.wav`.

    Mixture `i` of a split depends on `(seed, split, i)` only. A second call goes on where the first
    was stopped. No voice of one split is heard in another.

    Args:
        run: not used; the corpus belongs to no run.
        root: folder of the corpus, new or made by this command with the same settings.
        num_mixtures: dict, split ("tr", "cv", "tt") → number of mixtures.
        same_register: fraction of the mixtures with two low or two high voices; these are hard.
        seconds: each speaker speaks whole sentences until this is reached.
        sample_rates: of 8000 and 16000, one or both.
        modes: of "min" (cut to the shorter speaker) and "max" (padded to the longer), one or both.
        seed: int.
        num_workers: processes; 0 renders in this one.
    """
    check("num_mixtures", num_mixtures, SPLITS)
    check("modes", modes, MODES)
    check("sample_rates", sample_rates, (8000, 16000))
    import_toy_package("espeakng_loader")
    root = Path(root)
    settings = {
        "num_mixtures": dict(num_mixtures),
        "same_register": same_register,
        "seconds": seconds,
        "sample_rates": list(sample_rates),
        "modes": list(modes),
        "seed": seed,
    }
    claim(root, MARKER, settings, "make_toy_speech.root")
    jobs = [
        (
            f"{split}/{index}",
            (root, split, index, same_register, seconds, sample_rates, modes, seed),
        )
        for split, count in num_mixtures.items()
        for index in range(count)
    ]
    for _ in map_items(render_mixture, jobs, num_workers, "make_toy_speech", len(jobs), "mixture"):
        pass
    log.info("%d mixtures in %s", len(jobs), root)


def check(argument, values, known):
    unknown = [value for value in values if value not in known]
    if unknown:
        raise ConfigError(
            f"make_toy_speech.{argument} has {unknown[0]!r}; it may hold {', '.join(map(str, known))}."
        )


class Plan(NamedTuple):
    """What one mixture is made of, drawn before any sound is."""

    speakers: tuple[Speaker, Speaker]
    babblers: tuple[Speaker, ...]
    level_db: float  # of the first speaker; the second has its negative
    noise_db: float  # of the louder speaker over the noise
    name: str


def draw_plan(random, split, index, same_register):
    speakers, babblers = draw_pairs(random, split, same_register)
    level_db = round(random.uniform(*SPEECH_DB), 4)
    first, second = (f"{speaker}-{index:05d}" for speaker in speakers)
    name = f"{first}_{level_db:.4f}_{second}_{-level_db:.4f}.wav"
    return Plan(speakers, babblers, level_db, random.uniform(*NOISE_DB), name)


def draw_pairs(random, split, same_register):
    """The two speakers, and two other voices for babble."""
    low = draw_speakers(random, split, "low", 2)
    high = draw_speakers(random, split, "high", 2)
    if random.random() >= same_register:
        low, high = zip(low, high, strict=True)
    speakers, babblers = (tuple(pair[k] for k in random.permutation(2)) for pair in (low, high))
    return (speakers, babblers) if random.random() < 0.5 else (babblers, speakers)


def render_mixture(root, split, index, same_register, seconds, sample_rates, modes, seed):
    """Writes the six files of one mixture, for each sample rate and mode, where any is missing."""
    random = np.random.default_rng((seed, SPLITS.index(split), index))
    plan = draw_plan(random, split, index, same_register)
    folders = {
        (rate, mode): root / f"wav{rate // 1000}k" / mode / split
        for rate in sample_rates
        for mode in modes
    }
    if all((path / name / plan.name).exists() for path in folders.values() for name in FOLDERS):
        return
    sources = draw_sources(random, plan, seconds)
    for (rate, mode), folder in folders.items():
        signals = mixtures_and_sources(cut(resample(sources, rate), mode))
        for name, audio in signals.items():
            write_wav(folder / name / plan.name, audio, rate)


def draw_sources(random, plan, seconds):
    """`{"s1", "s2", "noise"}` → array `(sample,)` at ESPEAK_HZ; s1 and s2 end when they end."""
    speech = [speak(random, speaker, seconds) for speaker in plan.speakers]
    levels = (plan.level_db, -plan.level_db)
    first, second = [at_level(audio, level) for audio, level in zip(speech, levels, strict=True)]
    num_samples = max(len(first), len(second))
    noise = draw_noise(random, plan.babblers, num_samples)
    return {
        "s1": first,
        "s2": second,
        "noise": at_level(noise, max(levels) - plan.noise_db),
    }


def at_level(audio, level_db):
    return audio * from_db(level_db) / rms(audio)


def draw_noise(random, babblers, num_samples):
    """Coloured noise, steady or swelling, or voices over a coloured floor."""
    kind = random.choice(["steady", "swelling", "babble"])
    noise = coloured_noise(random, num_samples)
    if kind == "swelling":
        noise = noise * swell(random, num_samples)
    elif kind == "babble":
        voices = [speak(random, voice, num_samples / ESPEAK_HZ) for voice in babblers]
        noise = 0.3 * noise + sum(voice[:num_samples] / rms(voice) for voice in voices)
    return noise


def coloured_noise(random, num_samples):
    """Gaussian noise of unit level whose power falls by 0 to 6 dB per octave above 50 Hz."""
    length = 1 << (num_samples - 1).bit_length()  # a prime length would be a slow FFT
    frequencies = np.fft.rfftfreq(length, 1 / ESPEAK_HZ)
    spectrum = np.fft.rfft(random.standard_normal(length))
    colour = np.maximum(frequencies, 50.0) ** -random.uniform(0, 1)
    noise = np.fft.irfft(spectrum * colour, length)[:num_samples]
    return noise / rms(noise)


def swell(random, num_samples):
    """Slow amplitude modulation between 0.1 and 1."""
    hz, phase = random.uniform(0.3, 4), random.uniform(0, 2 * np.pi)
    return 0.55 + 0.45 * np.sin(2 * np.pi * hz * np.arange(num_samples) / ESPEAK_HZ + phase)


def resample(sources, sample_rate):
    return {name: soxr.resample(audio, ESPEAK_HZ, sample_rate) for name, audio in sources.items()}


def cut(sources, mode):
    """All sources at one length: of the shorter speaker ("min") or the longer one ("max")."""
    length = {"min": min, "max": max}[mode](len(sources["s1"]), len(sources["s2"]))
    return {
        name: np.pad(audio[:length], (0, max(0, length - len(audio))))
        for name, audio in sources.items()
    }


def mixtures_and_sources(sources):
    """The content of the six folders as int16; the sums are exact."""
    exact = quantise(sources)
    sums = {mix: sum(exact[name] for name in names) for mix, names in SUMS.items()}
    return {**exact, **sums}
