"""Sentences, and voices that speak them: espeak-ng's shared library, called by ctypes."""

import contextlib
import ctypes
from typing import NamedTuple

import numpy as np

from audition.toy.rendering import import_toy_package

ESPEAK_HZ = 22050
SYNCHRONOUS = 2  # espeak_AUDIO_OUTPUT: samples go to the callback, before espeak_Synth returns
DONT_EXIT = 0x8000  # initialisation flag: report an error instead of ending the process
UTF8 = 1
RATE, PITCH = 1, 3  # numbers of espeak_SetParameter
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)

VOCABULARY = {
    "en": "market bridge quiet seven morning lantern carry yellow window river often garden paper "
    "between winter travel kitchen simple always follow machine thunder eleven open",
    "de": "garten brücke ruhig sieben morgen laterne tragen gelb fenster fluss immer strasse papier "
    "zwischen winter reise küche einfach wolke folgen maschine donner elf offen",
    "fr": "jardin pont calme sept matin lanterne porter jaune fenêtre rivière souvent route papier "
    "entre hiver voyage cuisine simple toujours suivre machine orage onze ouvert",
    "es": "jardín puente tranquilo siete mañana farol llevar amarillo ventana río siempre calle papel "
    "entre invierno viaje cocina sencillo nube seguir máquina trueno once abierto",
    "it": "giardino ponte calmo sette mattina lanterna portare giallo finestra fiume sempre strada "
    "carta fra inverno viaggio cucina semplice nuvola seguire macchina tuono undici aperto",
    "nl": "tuin brug rustig zeven morgen lantaarn dragen geel venster rivier altijd straat papier "
    "tussen winter reizen keuken eenvoudig wolk volgen machine donder elf open",
    "pl": "ogród most cichy siedem ranek latarnia nosić żółty okno rzeka zawsze ulica papier "
    "między zima podróż kuchnia prosty chmura śledzić maszyna grzmot jedenaście otwarty",
    "sv": "trädgård bro stilla sju morgon lykta bära gul fönster flod alltid gata papper "
    "mellan vinter resa kök enkel moln följa maskin åska elva öppen",
}
VARIANTS = {  # of espeak-ng: split → register; each is in one split only
    "tr": {
        "low": "m1 m2 m3 m4 m6 m7 Denis Gene Marco paul",
        "high": "f1 f2 f4 Annie belinda steph grandma Andrea aunty",
    },
    "cv": {"low": "m5 Hugo", "high": "f5 Alicia"},
    "tt": {"low": "m8 Diogo ed", "high": "f3 anika shelby"},
}
PITCHES = (20, 80)  # of 0 to 99
WORDS_PER_MINUTE = (140, 200)


class Speaker(NamedTuple):
    language: str
    variant: str
    pitch: int
    rate: int

    def __str__(self):
        return f"{self.language}{self.variant}p{self.pitch}r{self.rate}"


def draw_speakers(random, split, register, count):
    """`count` speakers of one split and register ("low", "high"), each of another voice variant."""
    variants = random.choice(VARIANTS[split][register].split(), count, replace=False)
    return [
        Speaker(
            str(random.choice(list(VOCABULARY))),
            str(variant),
            int(random.integers(*PITCHES)),
            int(random.integers(*WORDS_PER_MINUTE)),
        )
        for variant in variants
    ]


def draw_sentence(random, language):
    words = random.choice(VOCABULARY[language].split(), random.integers(3, 7))
    return " ".join(words) + random.choice([".", "?", "!"])


def speak(random, speaker, seconds):
    """Sentences by one speaker, until at least `seconds` are filled.

    Returns:
        array `(sample,)` at ESPEAK_HZ, in [-1, 1].
    """
    chunks, num_samples = [], 0
    with espeak(chunks) as library:
        choose_voice(library, speaker)
        while num_samples < seconds * ESPEAK_HZ:
            text = draw_sentence(random, speaker.language).encode()
            library.espeak_Synth(text, len(text) + 1, 0, 1, 0, UTF8, None, None)
            num_samples = sum(map(len, chunks))
    return np.concatenate(chunks) / 2**15


def choose_voice(library, speaker):
    voice = f"{speaker.language}+{speaker.variant}"
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {voice!r}")
    library.espeak_SetParameter(RATE, speaker.rate, 0)
    library.espeak_SetParameter(PITCH, speaker.pitch, 0)


@contextlib.contextmanager
def espeak(chunks):
    """A fresh espeak-ng library whose speech is appended to the list `chunks`, as int16 arrays.

    Its flutter, echo and random state are C statics that nothing resets, so the same words sound
    different the second time. Unloading the library resets them; that costs 5 ms.
    """
    loader = import_toy_package("espeakng_loader")

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
        yield library
    finally:
        library.espeak_Terminate()
        ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
