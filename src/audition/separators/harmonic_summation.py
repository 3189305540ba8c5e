"""The predominant melody by harmonic summation and pitch contours, for music of many voices."""

from typing import NamedTuple

import librosa
import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FFT_LENGTH, WINDOW_LENGTH, HOP_SECONDS = 0.256, 0.096, 0.01  # seconds, at any sample rate
BIN_CENTS = 10
NEIGHBOURS = 10  # bins, a semitone: how far from a harmonic a peak still counts for it
WITHIN_DB = 40  # a spectral peak further below the frame's highest is ignored
NUM_HARMONICS, HARMONIC_DECAY = 10, 0.7
COMPRESSION = 1.5  # exponent of magnitudes; above 1, loud partials count more
NUM_CANDIDATES = 5  # pitches in a frame
LEAST_SALIENCE = 0.7  # of a candidate, as a share of the frame's most salient one
MAX_STEP_CENTS = 30  # from one frame of a contour to the next
MAX_STEP_FRAMES = 3  # so that a contour may miss two frames
MIN_FRAMES = 12  # of a contour
VIBRATO_CENTS = (15, 60)  # standard deviation around the local mean, as voices have and few others
VIBRATO_FRAMES = 19  # a period of the slowest vibrato
VIBRATO_WEIGHT = 2


class Melody(NamedTuple):
    """A melody in frames, each `(frame,)`: times in seconds, f0 in Hz, and whether it sounds.

    Where it doesn't, f0_hz is a guess, and above 0 all the same.
    """

    times: np.ndarray
    f0_hz: np.ndarray
    voiced: np.ndarray


class Contours(NamedTuple):
    """Pitches that follow each other, one array entry per pitch, and what each contour is like.

    Attributes:
        number: of the contour that a pitch belongs to, from 0.
        frame, cents, salience: of the pitch; cents above the lowest.
    """

    number: np.ndarray
    frame: np.ndarray
    cents: np.ndarray
    salience: np.ndarray


def harmonic_melody(
    x: np.ndarray, sample_rate: float, fmin_hz: float, fmax_hz: float, voicing_tolerance: float
) -> Melody:
    """Melody of `x`, `(sample,)`, by J. Salamon and E. Gómez, "Melody extraction from polyphonic
    music signals using pitch contour characteristics" (IEEE TASLP 2012).

    Peaks of the spectrum vote for the pitches that they are harmonics of; salient pitches that
    follow each other closely are a contour; the melody is the contour with the most salience, and
    a contour with vibrato counts double. Unlike the paper, no contour is left out for its distance
    from the mean pitch, which cost accuracy on rendered songs. Filter the bass out beforehand.

    Args:
        voicing_tolerance: contours less salient than the mean by more standard deviations than
            this are left out, unless they have vibrato.
    """
    salience = pitch_salience(x, sample_rate, fmin_hz, fmax_hz)
    contours = find_contours(*candidates(salience))
    cents, voiced = choose(contours, len(salience), voicing_tolerance)
    guess = np.where(voiced, cents, BIN_CENTS * salience.argmax(axis=1))
    return Melody(np.arange(len(guess)) * HOP_SECONDS, fmin_hz * 2 ** (guess / 1200), voiced)


def pitch_salience(x: np.ndarray, sample_rate: float, fmin_hz: float, fmax_hz: float) -> np.ndarray:
    """How much the harmonics of each pitch hold, `(frame, pitch)`; pitches are 10 cents apart."""
    frames, hz, magnitudes, num_frames = spectral_peaks(x, sample_rate)
    num_pitches = cents_to_bins(1200 * np.log2(fmax_hz / fmin_hz)) + 1
    highest = cents_to_bins(1200 * np.log2(NUM_HARMONICS)) + num_pitches
    bins = cents_to_bins(1200 * np.log2(np.maximum(hz, 1) / fmin_hz)) + NEIGHBOURS
    num_bins = highest + 2 * NEIGHBOURS
    inside = (bins >= 0) & (bins < num_bins)
    peaks = np.bincount(
        frames[inside] * num_bins + bins[inside],
        magnitudes[inside] ** COMPRESSION,
        minlength=num_frames * num_bins,
    ).reshape(num_frames, num_bins)
    nearness = np.cos(np.arange(1 - NEIGHBOURS, NEIGHBOURS) / NEIGHBOURS * np.pi / 2) ** 2
    peaks = ndimage.convolve1d(peaks, nearness, axis=1, mode="constant")
    starts = NEIGHBOURS + cents_to_bins(1200 * np.log2(np.arange(1, NUM_HARMONICS + 1)))
    return sum(
        HARMONIC_DECAY**number * peaks[:, start : start + num_pitches]
        for number, start in enumerate(starts)
    )


def cents_to_bins(cents):
    return np.rint(np.asarray(cents) / BIN_CENTS).astype(int)


def spectral_peaks(
    x: np.ndarray, sample_rate: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Frame, frequency in Hz and magnitude of each peak, `(peak,)`, and the number of frames.

    The parabola through a peak and its neighbours, in dB, says where it lies between the bins.
    """
    window, fft, hop = (round(s * sample_rate) for s in (WINDOW_LENGTH, FFT_LENGTH, HOP_SECONDS))
    x = np.pad(x, (0, max(0, fft - len(x))))
    spectrum = librosa.stft(x, n_fft=fft, win_length=window, hop_length=hop, pad_mode="constant")
    db = 20 * np.log10(np.maximum(np.abs(spectrum.T), 1e-9))  # (frame, frequency)
    before, here, after = db[:, :-2], db[:, 1:-1], db[:, 2:]
    audible = (here > here.max(axis=1, keepdims=True) - WITHIN_DB) & (here > -120)
    frame, index = np.nonzero((here > before) & (here >= after) & audible)
    before, here, after = (part[frame, index] for part in (before, here, after))
    offset = 0.5 * (before - after) / (before - 2 * here + after)
    hz = (index + 1 + offset) * sample_rate / fft
    return frame, hz, 10 ** ((here - 0.25 * (before - after) * offset) / 20), len(db)


def candidates(salience: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cents and salience of the pitches in each frame, both `(frame, candidate)`; NaN: none."""
    before, here, after = salience[:, :-2], salience[:, 1:-1], salience[:, 2:]
    enough = here >= LEAST_SALIENCE * salience.max(axis=1, keepdims=True)
    peaks = np.where((here > before) & (here >= after) & enough, here, 0)
    index = np.argsort(-peaks, axis=1, kind="stable")[:, :NUM_CANDIDATES]
    height = np.take_along_axis(peaks, index, axis=1)
    left, middle, right = (np.take_along_axis(x, index, axis=1) for x in (before, here, after))
    curvature = np.where(height > 0, left - 2 * middle + right, -1)
    cents = BIN_CENTS * (index + 1 + 0.5 * (left - right) / curvature)
    return np.where(height > 0, cents, np.nan), height


def find_contours(cents: np.ndarray, salience: np.ndarray) -> Contours:
    """Contours among the candidates, both `(frame, candidate)`: those of at least MIN_FRAMES.

    A pitch goes on with the nearest one of the next frame, or of the frames after where there is
    none, if that one has no nearer pitch itself.
    """
    number_of = np.arange(cents.size).reshape(cents.shape)
    has_next, has_former = np.isnan(cents), np.isnan(cents)
    links = []
    for step in range(1, min(MAX_STEP_FRAMES, len(cents) - 1) + 1):
        here = np.where(has_next[:-step], np.inf, cents[:-step])
        there = np.where(has_former[step:], -np.inf, cents[step:])
        distance = np.abs(here[:, :, None] - there[:, None, :])
        nearest, nearest_back = distance.argmin(axis=2), distance.argmin(axis=1)
        back = np.take_along_axis(nearest_back, nearest, axis=1)
        close = distance.min(axis=2) < MAX_STEP_CENTS
        frame, one = np.nonzero(close & (back == np.arange(cents.shape[1])))
        other = nearest[frame, one]
        has_next[frame, one] = has_former[frame + step, other] = True
        links.append((number_of[frame, one], number_of[frame + step, other]))
    ends = np.concatenate(links, axis=1) if links else np.zeros((2, 0), dtype=int)
    graph = coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(cents.size, cents.size))
    number = connected_components(graph, directed=False)[1]
    long = (np.bincount(number) >= MIN_FRAMES)[number].reshape(cents.shape)
    number = np.unique(number.reshape(cents.shape)[long], return_inverse=True)[1]
    return Contours(number, np.nonzero(long)[0], cents[long], salience[long])


def choose(
    contours: Contours, num_frames: int, voicing_tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cents of the melody and whether it sounds, `(frame,)`: the contour of the most salience."""
    if not len(contours.number):
        return np.zeros(num_frames), np.zeros(num_frames, dtype=bool)
    total = np.bincount(contours.number, contours.salience)
    mean = total / np.bincount(contours.number)
    vibrato = has_vibrato(contours, num_frames)
    kept = vibrato | (mean >= mean.mean() - voicing_tolerance * mean.std())
    weight = (total * np.where(vibrato, VIBRATO_WEIGHT, 1) * kept)[contours.number]
    ascending = np.argsort(weight, kind="stable")  # of several in a frame, the last one stays
    cents, best = np.zeros(num_frames), np.zeros(num_frames)
    cents[contours.frame[ascending]] = contours.cents[ascending]
    best[contours.frame[ascending]] = weight[ascending]
    return cents, best > 0


def has_vibrato(contours: Contours, num_frames: int) -> np.ndarray:
    """Whether each contour wavers about its local mean as voices do, `(contour,)`."""
    shape = contours.number.max() + 1, num_frames
    there, cents = np.zeros(shape), np.zeros(shape)
    there[contours.number, contours.frame] = 1
    cents[contours.number, contours.frame] = contours.cents
    smooth = {"size": VIBRATO_FRAMES, "axis": 1, "mode": "constant"}
    near = ndimage.uniform_filter1d(cents, **smooth), ndimage.uniform_filter1d(there, **smooth)
    wavering = (cents - near[0] / np.maximum(near[1], 1e-9)) * there
    deviation = np.sqrt((wavering**2).sum(axis=1) / there.sum(axis=1))
    return (deviation > VIBRATO_CENTS[0]) & (deviation < VIBRATO_CENTS[1])
