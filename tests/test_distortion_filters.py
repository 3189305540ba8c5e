"""BSS Eval v4 against museval, window by window."""

import museval
import numpy as np
import pytest
from scipy import signal

from audition.metrics.distortion_filters import STEP, distortions

RATE = 8000
RANDOM = np.random.default_rng(0)


def noise(*shape):
    """`(source, channel, sample)` whose loudness rises and falls."""
    return RANDOM.normal(size=shape) * np.abs(np.sin(np.arange(shape[-1]) / 3000))


def leaking(sources):
    return sources + 0.3 * sources[::-1] + 0.05 * RANDOM.normal(size=sources.shape)


def filtered(sources):
    return signal.lfilter([1, 0.5, 0.2], [1, -0.4], sources) + 0.2 * sources[::-1]


def in_gaps(sources):
    sources[0, :, RATE : 2 * RATE] = 0
    estimates = leaking(sources)
    estimates[1, :, :RATE] = 0
    return estimates


def same_channels(sources):
    sources[:, 1] = sources[:, 0]
    return leaking(sources)


def copies(sources):
    return sources + 1e-6 * RANDOM.normal(size=sources.shape)


def scaled(sources):
    return 1e-4 * leaking(sources)[::-1]


CASES = [
    ("mono", (2, 1, 30_000), leaking, (RATE, RATE)),
    ("many blocks", (2, 1, 3 * STEP + 17), leaking, (RATE, RATE // 2)),
    ("stereo", (2, 2, 20_000), filtered, (RATE, RATE)),
    ("four stereo stems", (4, 2, 12_000), leaking, (4000, 4000)),
    ("shorter than a window", (3, 1, 5_000), leaking, (RATE, RATE)),
    ("little longer than two filters", (2, 1, 1_200), leaking, (RATE, RATE)),
    ("silent in places", (2, 1, 4 * RATE), in_gaps, (RATE, RATE)),
    ("two channels that are one", (2, 2, 8_000), same_channels, (4000, 4000)),
    ("all but perfect", (2, 1, 20_000), copies, (RATE, RATE)),
    ("swapped and faint", (2, 1, 20_000), scaled, (RATE, RATE)),
]


@pytest.mark.parametrize(
    ("shape", "estimate", "windows"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_every_window_is_that_of_museval(shape, estimate, windows):
    sources = noise(*shape)
    estimates = estimate(sources)
    expected = museval.metrics.bss_eval(
        sources.transpose(0, 2, 1),
        estimates.transpose(0, 2, 1),
        compute_permutation=False,
        window=windows[0],
        hop=windows[1],
    )[:4]
    readers = [lambda start, end, x=x: x[..., start:end] for x in (sources, estimates)]
    found = distortions(*readers, shape, *windows)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
