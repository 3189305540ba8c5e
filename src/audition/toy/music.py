"""Songs as notes, and a SoundFont that plays them."""

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from audition.toy.rendering import import_toy_package, missing_toy_package

STEMS = ("vocals", "drums", "bass", "other")
CHANNEL, DRUM_CHANNEL = 0, 9
DRUM_BANK = 128
PROGRAMS = {  # General MIDI numbers, counted from 0; none is in both
    "train": {
        "vocals": (52, 53, 85),  # choir, voice, solo voice
        "bass": (32, 33, 38),
        "other": (0, 24, 26, 48, 50),  # piano, guitars, strings
    },
    "test": {
        "vocals": (54, 91),  # synth voice, pad of a choir
        "bass": (34, 35, 39),
        "other": (4, 27, 25, 49, 89),  # electric piano, guitars, slow strings, pad
    },
}
SECTIONS = {"train": (0, 1), "test": (0, 0, 1, 2)}  # over and over; equal numbers sound the same
PROGRESSIONS = {  # degrees of the major scale, one chord a bar
    "train": ((0, 4, 5, 3), (5, 3, 0, 4), (0, 5, 3, 4), (1, 4, 0, 0)),
    "test": ((0, 3, 0, 4), (5, 4, 3, 4), (3, 0, 4, 5), (0, 2, 3, 4)),
}
MAJOR = (0, 2, 4, 5, 7, 9, 11)
BEATS_PER_BAR = 4
KICK, SNARE, CLOSED_HAT, OPEN_HAT = 36, 38, 42, 46
KICK_PATTERNS = ((0, 2), (0, 1.5, 2), (0, 2, 2.5), (0, 0.75, 2, 2.75), (0, 1, 2, 3))  # beats
BASS_PATTERNS = ((0, 2), (0, 1.5, 3), (0, 1, 2, 3), (0, 0.5, 1.5, 2, 3.5))
STRUM_PATTERNS = ((0,), (0, 2), (0, 1.5, 2.5), (0, 1, 2, 3), (0, 0.5, 1.5, 2, 3))
SUNG_PATTERNS = ((0, 1, 1.5, 2), (0.5, 1, 2, 3), (0, 1.5, 2, 2.5), (0, 0.5, 1, 2.5))
VIBRATO_HZ, VIBRATO_SEMITONES, VIBRATO_STEP_SECONDS = 5.5, 0.4, 0.02


class Note(NamedTuple):
    start: float  # seconds
    end: float  # seconds
    key: int  # MIDI number
    velocity: int  # 1 to 127


class Section(NamedTuple):
    """Four bars that sound the same each time they return, but for the melody."""

    progression: tuple[int, ...]
    kick: tuple[float, ...]
    hat_step: float  # beats
    bass: tuple[float, ...]
    strum: tuple[float, ...]


class Song(NamedTuple):
    programs: dict[str, int]  # stem → General MIDI program
    notes: dict[str, list[Note]]  # stem → its notes


def compose(random: np.random.Generator, style: str, seconds: float) -> Song:
    """A song of sections: the accompaniment of a section repeats, the melody varies.

    Args:
        style: "train" or "test", key of PROGRAMS, SECTIONS and PROGRESSIONS.

    Returns:
        Song that lasts at least `seconds`.
    """
    key = int(random.integers(12))
    seconds_per_beat = 60 / random.uniform(84, 132)
    sections = [draw_section(random, style) for _ in set(SECTIONS[style])]
    notes = {stem: [] for stem in STEMS}
    start = 0.0
    for number in itertools.cycle(SECTIONS[style]):
        section = sections[number]
        for stem, (beat, length, midi_key, velocity) in play_section(random, section, key):
            begin = start + beat * seconds_per_beat
            end = begin + length * seconds_per_beat
            notes[stem].append(Note(begin, end, midi_key, velocity))
        start += len(section.progression) * BEATS_PER_BAR * seconds_per_beat
        if start >= seconds:
            break
    programs = {stem: int(random.choice(choices)) for stem, choices in PROGRAMS[style].items()}
    return Song({**programs, "drums": 0}, notes)


def draw_section(random: np.random.Generator, style: str) -> Section:
    progressions = PROGRESSIONS[style]
    tables = (progressions, KICK_PATTERNS, (0.5, 1.0, 0.25), BASS_PATTERNS, STRUM_PATTERNS)
    return Section(*(table[random.integers(len(table))] for table in tables))


def play_section(
    random: np.random.Generator, section: Section, key: int
) -> Iterator[tuple[str, tuple[float, float, int, int]]]:
    """Yields `(stem, (beat, length in beats, MIDI key, velocity))`."""
    sung = int(random.integers(7))  # degree of the scale, walks on from chord to chord
    for bar, degree in enumerate(section.progression):
        first_beat = bar * BEATS_PER_BAR
        for beat in section.bass:
            yield "bass", (first_beat + beat, 0.9, pitch(key, degree, 36), 100)
        for beat in section.strum:
            for third in (0, 2, 4):
                yield "other", (first_beat + beat, 0.95, pitch(key, degree + third, 60), 75)
        for event in drum_bar(section):
            yield "drums", (first_beat + event[0], *event[1:])
        for beat, length in phrase(random):
            sung = nearest_in_chord(sung + int(random.integers(-2, 3)), degree, beat)
            yield "vocals", (first_beat + beat, length, pitch(key, sung, 60), 100)


def pitch(key: int, degree: int, base: int) -> int:
    """MIDI number of a scale degree, which may pass the octave either way."""
    octave, step = divmod(degree, len(MAJOR))
    return base + (key + 5) % 12 - 5 + 12 * octave + MAJOR[step]


def drum_bar(section: Section) -> Iterator[tuple[float, float, int, int]]:
    """Yields `(beat, length in beats, MIDI key, velocity)`: kick, back beat, hi-hat."""
    for beat in section.kick:
        yield beat, 0.25, KICK, 110
    for beat in (1, 3):
        yield beat, 0.25, SNARE, 100
    for beat in np.arange(0, BEATS_PER_BAR, section.hat_step):
        yield float(beat), 0.2, OPEN_HAT if beat == 3.5 else CLOSED_HAT, 70


def phrase(random: np.random.Generator) -> list[tuple[float, float]]:
    """`(beat, length in beats)` of the sung notes of one bar; the last one is held."""
    beats = SUNG_PATTERNS[random.integers(len(SUNG_PATTERNS))]
    ends = (*beats[1:], 3.75)
    return [(beat, 0.95 * (end - beat)) for beat, end in zip(beats, ends, strict=True)]


def nearest_in_chord(degree: int, chord: int, beat: float) -> int:
    """On a beat the melody sings a note of the chord; between beats any of the scale."""
    degree = int(np.clip(degree, -3, 9))
    if beat != int(beat):
        return degree
    return min(range(-3, 10), key=lambda d: ((d - chord) % 7 not in (0, 2, 4), abs(d - degree), d))


def play(
    notes: list[Note], stem: str, program: int, seconds: float, sample_rate: int
) -> np.ndarray:
    """Sound of one stem.

    Returns:
        float array `(sample, 2)`.
    """
    synth, channel = open_synth(stem, program, sample_rate)
    actions = [
        action
        for note in notes
        for action in (
            (note.start, synth.noteon, (channel, note.key, note.velocity)),
            (note.end, synth.noteoff, (channel, note.key)),
        )
    ]
    if stem == "vocals":
        actions += vibrato(synth, channel, seconds)
    return render(synth, actions, int(round(seconds * sample_rate)), sample_rate)


def open_synth(stem: str, program: int, sample_rate: int) -> tuple[Any, int]:
    """A fresh synthesizer, so that no stem hears the tail of another, and its channel."""
    synth = import_toy_package("tinysoundfont").Synth(gain=-12, samplerate=sample_rate)
    font = synth.sfload(str(find_soundfont()))
    if stem == "drums":
        synth.program_select(DRUM_CHANNEL, font, DRUM_BANK, program, True)
        return synth, DRUM_CHANNEL
    synth.program_select(CHANNEL, font, 0, program)
    return synth, CHANNEL


def find_soundfont() -> Path:
    """The SoundFont inside the package pretty_midi, which is never imported (it needs mido)."""
    package = importlib.util.find_spec("pretty_midi")
    if package is None:
        raise missing_toy_package("pretty_midi")
    return Path(package.submodule_search_locations[0]) / "TimGM6mb.sf2"


def vibrato(
    synth: Any, channel: int, seconds: float
) -> list[tuple[float, Callable, tuple[int, int]]]:
    """Pitch wheel movements all through a stem."""
    synth.pitchbend_range(channel, VIBRATO_SEMITONES)
    times = np.arange(0, seconds, VIBRATO_STEP_SECONDS)
    wheel = 8192 + 8191 * np.sin(2 * np.pi * VIBRATO_HZ * times)
    return [
        (float(time), synth.pitchbend, (channel, int(value)))
        for time, value in zip(times, wheel, strict=True)
    ]


def render(
    synth: Any,
    actions: list[tuple[float, Callable, tuple[int, ...]]],
    num_samples: int,
    sample_rate: int,
) -> np.ndarray:
    """Carries out `(seconds, method, arguments)` in the order of time, each at its own sample."""
    chunks, position = [], 0
    for time, method, arguments in sorted(actions, key=lambda action: action[0]):
        sample = min(int(round(time * sample_rate)), num_samples)
        if sample > position:
            chunks.append(samples_of(synth, sample - position))
            position = sample
        method(*arguments)
    chunks.append(samples_of(synth, num_samples - position))
    return np.concatenate(chunks).reshape(-1, 2).astype(np.float64)


def samples_of(synth: Any, num_samples: int) -> np.ndarray:
    return np.frombuffer(synth.generate(num_samples), np.float32).copy()
