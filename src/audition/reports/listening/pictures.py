"""Small pictures of signals and trainings: SVG in the page's colours, WebP for spectrograms."""

import io

import numpy as np

from audition.reports.listening.sounds import data_uri, finite

COLUMNS, ROWS = 480, 144  # size of a spectrogram in pixels
ENVELOPE_COLUMNS = 300
WINDOW_SECONDS = 0.05
RANGE_DB = 60  # from the colour of the loudest bin of a track to black
QUALITY = 60  # of WebP: about 15 kB each


def envelope_path(audio: np.ndarray) -> str:
    """SVG path in a box of 300 × 100, around the lowest and highest sample of each column.

    Args:
        audio: `(channel, sample)`, in [-1, 1].
    """
    audio = finite(audio).clip(-1, 1)
    bounds = np.linspace(0, audio.shape[1], ENVELOPE_COLUMNS + 1).astype(int)
    columns = [audio[:, a : max(b, a + 1)] for a, b in zip(bounds, bounds[1:], strict=False)]
    upper = [f"{x} {50 - 50 * c.max(initial=0):.0f}" for x, c in enumerate(columns)]
    lower = [f"{x} {51 - 50 * c.min(initial=0):.0f}" for x, c in enumerate(columns)]
    return f"M{'L'.join([*upper, *reversed(lower)])}Z"


def magnitudes_db(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Level of each bin in dB, `(row, column)`, rows equally spaced on the mel scale, lowest first.

    Args:
        audio: `(channel, sample)`.
    """
    length = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
    audio = finite(audio)
    audio = np.pad(audio, [(0, 0), (length // 2, length // 2)])
    starts = np.linspace(0, audio.shape[1] - length, COLUMNS).astype(int)
    frames = audio[:, starts[:, None] + np.arange(length)] * np.hanning(length)
    power = np.square(np.abs(np.fft.rfft(frames))).mean(axis=0)  # (column, frequency)
    bins = mel_rows_hz(sample_rate) * length / sample_rate
    low = np.minimum(bins.astype(int), power.shape[1] - 2)
    rows = power[:, low] * (low + 1 - bins) + power[:, low + 1] * (bins - low)
    return 10 * np.log10(rows.T + 1e-12)


def mel_rows_hz(sample_rate: int) -> np.ndarray:
    """Frequency of each row of a spectrogram, by O'Shaughnessy's mel formula."""
    top = np.log1p(sample_rate / 2 / 700)
    return 700 * np.expm1(np.linspace(0, top, ROWS))


def middle_hz(sample_rate: int) -> float:
    """Frequency halfway up a spectrogram."""
    return float(np.median(mel_rows_hz(sample_rate)))


def spectrogram_uri(levels: np.ndarray, loudest_db: float) -> str:
    """Levels in dB, `(row, column)`, as a WebP picture; `loudest_db` gets the brightest colour."""
    from matplotlib.image import imsave  # a second that no other command needs

    file = io.BytesIO()
    imsave(
        file,
        levels,
        vmin=loudest_db - RANGE_DB,
        vmax=loudest_db,
        cmap="magma",
        origin="lower",
        format="webp",
        pil_kwargs={"quality": QUALITY},
    )
    return data_uri("image/webp", file.getvalue())


def curve_points(values: list[float], low: float, high: float) -> str:
    """`points` of an SVG polyline in a box of 100 × 100, `low` at its bottom; gaps are left out.

    A single value is a short dash, as a line of one point can't be seen.
    """
    ends = (0, 100)
    if len(values) == 1:
        ends, values = (45, 55), values * 2
    x = np.linspace(*ends, len(values))
    y = 100 - 100 * (np.asarray(values, float) - low) / ((high - low) or 1.0)
    return " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
