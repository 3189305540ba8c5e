"""What happens to a voice before it is mixed: irregular speaking, breath, room, microphone, noise."""

import numpy as np
from scipy import fft, ndimage

from audition.toy.rendering import from_db, rms

SLOW_SECONDS, SLOW_SEMITONES = 0.4, 1.0  # speed wanders by this from one point to the next
FAST_SECONDS, FAST_SEMITONES = 0.02, 0.15  # and trembles, as no synthesiser does
DRY = 0.4  # fraction of the mixtures without a room
REVERBERATION_SECONDS = (0.1, 0.4)  # until the tail has fallen by 60 dB
DIRECT_DB = (3.0, 15.0)  # of the direct sound over the tail
FIRST_REFLECTION_SECONDS = 0.002
MICROPHONE_HZ = (50, 150, 400, 1000, 2500, 6000, 11025)
MICROPHONE_DB = 4.0  # each of these is up to this louder or softer


def wander(
    random: np.random.Generator, audio: np.ndarray, factor: float, sample_rate: int
) -> np.ndarray:
    """`audio` played `factor` times as fast, unevenly, so that pitch and formants are never still."""
    num_samples = int(np.ceil(len(audio) / factor))
    semitones = drift(random, num_samples, SLOW_SECONDS * sample_rate, SLOW_SEMITONES)
    semitones += drift(random, num_samples, FAST_SECONDS * sample_rate, FAST_SEMITONES)
    positions = np.cumsum(2 ** (semitones / 12))
    positions *= (len(audio) - 1) / positions[-1]
    return ndimage.map_coordinates(audio, [positions], order=3)


def drift(random: np.random.Generator, num_samples: int, step: float, depth: float) -> np.ndarray:
    """Normal deviates of standard deviation `depth`, one every `step` samples, joined by lines."""
    points = random.normal(0, depth, int(num_samples / step) + 2)
    return np.interp(np.arange(num_samples) / step, np.arange(len(points)), points)


def add_breath(
    random: np.random.Generator, voice: np.ndarray, level_db: float, sample_rate: int
) -> np.ndarray:
    """`voice` and noise that follows its envelope, `level_db` over it."""
    envelope = ndimage.uniform_filter1d(np.abs(voice), int(0.01 * sample_rate))
    return voice + from_db(level_db) * envelope * random.standard_normal(len(voice))


def draw_reverberation(random: np.random.Generator) -> float:
    """Seconds until a room has fallen silent by 60 dB; 0 is no room."""
    seconds = random.uniform(*REVERBERATION_SECONDS)
    return 0.0 if random.random() < DRY else seconds


def room_response(random: np.random.Generator, seconds: float, sample_rate: int) -> np.ndarray:
    """Direct sound, then noise that decays exponentially (Polack, 1988).

    Args:
        seconds: until the tail has fallen by 60 dB; 0 is no room.

    Returns:
        array `(sample,)` that starts with the direct sound, 1.
    """
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    tail = random.standard_normal(len(time)) * 10 ** (-3 * time / max(seconds, 1e-9))
    tail[time < FIRST_REFLECTION_SECONDS] = 0
    direct = from_db(random.uniform(*DIRECT_DB))
    energy = np.sqrt(np.sum(np.square(tail))) + 1e-12
    return np.concatenate([[1.0], tail / (direct * energy)])


def place(
    random: np.random.Generator, audio: np.ndarray, seconds: float, sample_rate: int
) -> np.ndarray:
    """`audio` heard in a room (see `room_response`) through a microphone that colours it.

    Returns:
        array as long as `audio`: what rings on after it is cut off.
    """
    response = room_response(random, seconds, sample_rate)
    length = fft.next_fast_len(len(audio) + len(response), real=True)
    heard = fft.rfft(audio, length) * fft.rfft(response, length)
    heard *= microphone(random, fft.rfftfreq(length, 1 / sample_rate))
    return fft.irfft(heard, length)[: len(audio)]


def microphone(random: np.random.Generator, frequencies: np.ndarray) -> np.ndarray:
    """Gain at each of `frequencies` in Hz: smooth, no two alike."""
    gains_db = random.uniform(-MICROPHONE_DB, MICROPHONE_DB, len(MICROPHONE_HZ))
    octaves = np.log2(np.maximum(frequencies, 1.0))
    return from_db(np.interp(octaves, np.log2(MICROPHONE_HZ), gains_db))


def coloured_noise(random: np.random.Generator, num_samples: int, sample_rate: int) -> np.ndarray:
    """Gaussian noise of unit level whose power falls by 0 to 6 dB per octave above 50 Hz."""
    length = fft.next_fast_len(num_samples, real=True)
    frequencies = fft.rfftfreq(length, 1 / sample_rate)
    spectrum = fft.rfft(random.standard_normal(length))
    colour = np.maximum(frequencies, 50.0) ** -random.uniform(0, 1)
    noise = fft.irfft(spectrum * colour, length)[:num_samples]
    return noise / rms(noise)


def swell(random: np.random.Generator, num_samples: int, sample_rate: int) -> np.ndarray:
    """Slow amplitude modulation between 0.1 and 1."""
    hz, phase = random.uniform(0.3, 4), random.uniform(0, 2 * np.pi)
    return 0.55 + 0.45 * np.sin(2 * np.pi * hz * np.arange(num_samples) / sample_rate + phase)
