"""Speakers and what they say: espeak-ng's shared library, called by ctypes, and made less regular."""

import contextlib
import ctypes
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from audition.toy.acoustics import add_breath, wander
from audition.toy.phrases import PHRASES, draw_sentence
from audition.toy.rendering import from_db, import_toy_package

ESPEAK_HZ = 22050
SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback, before espeak_Synth returns
DONT_EXIT = 0x8000  # initialisation flag: report an error instead of ending the process
UTF8 = 1
RATE, PITCH, RANGE = 1, 3, 4  # numbers of espeak_SetParameter
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Register(NamedTuple):
    """Voices that are low, or high; ranges are uniform."""

    variants: str  # of espeak-ng, parted by spaces
    pitch: tuple[int, int] = (15, 85)  # of 0 to 99
    tract: tuple[float, float] = (0.88, 1.12)  # formants and pitch are multiplied by this


# Each variant is in one split only, and so are those that espeak-ng has under several names
# (belinda, linda; michel, miguel, Hugo, Henrique, Diogo). Whispers, robots and echoes are left out.
VOICES = {  # split → register
    "tr": {
        "low": Register(
            "m1 m2 m3 m4 m6 m7 Alex Andy Denis Gene Gene2 Henrique Jacky Lee Marco Mike Nguyen "
            "antonio ian iven marcelo max pablo paul quincy rob victor"
        ),
        "high": Register(
            "f1 f2 f4 Andrea Annie aunty belinda grandma linda steph steph2 steph3 zac"
        ),
    },
    "cv": {"low": Register("m5 Mario john"), "high": Register("f5 Alicia")},
    "tt": {"low": Register("m8 boris ed gustave sandro"), "high": Register("f3 anika shelby")},
    "far": {  # another synthesiser inside espeak-ng: Klatt's cascade of formants, men's voices only
        "low": Register("klatt klatt2 klatt3 klatt4 adam david edward", (30, 65), (0.88, 1.02)),
        "high": Register("klatt5 klatt6 Reed benjamin mike2", (85, 99), (1.1, 1.22)),
    },
}
PITCH_RANGES = (20, 90)  # of 0, monotonous, to 100
WORDS_PER_MINUTE = (130, 220)
BREATH_DB = (-45.0, -22.0)  # of breath under the voice
SENTENCE_DB = 3.0  # each sentence is up to this louder or softer
PAUSE_SECONDS = 0.4  # at most, after a sentence


class Speaker(NamedTuple):
    language: str
    variant: str
    pitch: int
    pitch_range: int
    rate: int
    tract: float

    def __str__(self) -> str:
        return f"{self.language}{self.variant}p{self.pitch}r{self.rate}t{self.tract:.2f}"


def draw_speakers(
    random: np.random.Generator, split: str, register: str, count: int
) -> list[Speaker]:
    """`count` speakers of one split and register ("low", "high"), each of another voice variant."""
    voices = VOICES[split][register]
    variants = random.choice(voices.variants.split(), count, replace=False)
    return [draw_speaker(random, split, voices, str(variant)) for variant in variants]


def draw_others(
    random: np.random.Generator, split: str, taken: list[Speaker], count: int
) -> list[Speaker]:
    """`count` speakers of one split, low or high, whose voice variants none of `taken` has."""
    names = {speaker.variant for speaker in taken}
    left = [(one, v) for one in VOICES[split].values() for v in one.variants.split()]
    left = [(voices, variant) for voices, variant in left if variant not in names]
    chosen = random.choice(len(left), count, replace=False) if count else []
    return [draw_speaker(random, split, *left[k]) for k in chosen]


def draw_speaker(
    random: np.random.Generator, split: str, voices: Register, variant: str
) -> Speaker:
    return Speaker(
        str(random.choice(list(PHRASES[split]))),
        variant,
        int(random.integers(*voices.pitch)),
        int(random.integers(*PITCH_RANGES)),
        int(random.integers(*WORDS_PER_MINUTE)),
        round(random.uniform(*voices.tract), 2),
    )


def speak(random: np.random.Generator, split: str, speaker: Speaker, seconds: float) -> np.ndarray:
    """Sentences by one speaker, until at least `seconds` are filled.

    Returns:
        array `(sample,)` at ESPEAK_HZ.
    """
    spoken = []
    with espeak() as (library, chunks):
        choose_voice(library, speaker)
        while sum(map(len, spoken)) < seconds * speaker.tract * ESPEAK_HZ:
            say(library, draw_sentence(random, split, speaker.language))
            level = from_db(random.uniform(-SENTENCE_DB, SENTENCE_DB))
            pause = np.zeros(int(random.uniform(0, PAUSE_SECONDS) * ESPEAK_HZ))
            spoken += [level * np.concatenate(chunks) / 2**15, pause]
            chunks.clear()
    voice = wander(random, np.concatenate(spoken), speaker.tract, ESPEAK_HZ)
    return add_breath(random, voice, random.uniform(*BREATH_DB), ESPEAK_HZ)


def choose_voice(library: ctypes.CDLL, speaker: Speaker) -> None:
    voice = f"{speaker.language}+{speaker.variant}"
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {voice!r}")
    rate = round(speaker.rate / speaker.tract)  # playing at another speed brings it back
    for parameter, value in ((RATE, rate), (PITCH, speaker.pitch), (RANGE, speaker.pitch_range)):
        library.espeak_SetParameter(parameter, value, 0)


def say(library: ctypes.CDLL, text: str) -> None:
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, UTF8, None, None)


@contextlib.contextmanager
def espeak() -> Iterator[tuple[ctypes.CDLL, list[np.ndarray]]]:
    """A fresh espeak-ng library, and the list to which its speech is appended, as int16 arrays.

    Its flutter, echo and random state are C statics that nothing resets, so the same words sound
    different the second time. Unloading the library resets them; that costs 5 ms.
    """
    loader, chunks = import_toy_package("espeakng_loader"), []

    @CALLBACK
    def collect(samples, num_samples, events):
        if num_samples > 0:
            chunks.append(np.ctypeslib.as_array(samples, (num_samples,)).copy())
        return 0

    library = ctypes.CDLL(loader.get_library_path())
    library.espeak_Synth.argtypes = (
        [ctypes.c_char_p, ctypes.c_size_t] + 4 * [ctypes.c_uint] + 2 * [ctypes.c_void_p]
    )
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    try:
        library.espeak_Initialize(SYNCHRONOUS, 0, loader.get_data_path().encode(), DONT_EXIT)
        library.espeak_SetSynthCallback(collect)
        library.espeak_ng_SetRandSeed(1)
        yield library, chunks
    finally:
        library.espeak_Terminate()
        ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
