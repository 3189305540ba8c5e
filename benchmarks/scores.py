"""Scores of a track: BSSEvalScale against fast_bss_eval, and BSSEvalV4 against museval, one thread.

CPU seconds of the fastest of several turns, in which both sides take turns. fast_bss_eval
(`pip install fast_bss_eval`; without it, its lines are left out) finds SI-SDR, SI-SIR, SI-SAR and the
best permutation of two sources, given as float64; BSSEvalScale finds these and nine more columns. A
track is 4.5 s at 8 kHz, or 30 s at 44.1 kHz; for museval it has four stereo stems of noise, and takes
two turns, with equal scores.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable

import museval
import numpy as np
import nussl
import torch

from audition.metrics import BSSEvalScale, BSSEvalV4

TRACKS = {"speech": (8000, 4.5, 60), "song": (44100, 30.0, 8)}  # Hz, seconds, turns
STEMS, STEM_SECONDS = ("vocals", "drums", "bass", "other"), 30.0
RANDOM = np.random.default_rng(0)


def fastest(num_turns: int, *sides: Callable) -> list[float]:
    """CPU seconds of each side."""

    def seconds(side):
        start = time.process_time()
        side()
        return time.process_time() - start

    turns = [[seconds(side) for side in sides] for _ in range(num_turns)]
    return [min(times) for times in zip(*turns, strict=True)]


def signals(audio: np.ndarray, sample_rate: int) -> list[nussl.AudioSignal]:
    return [nussl.AudioSignal(audio_data_array=one, sample_rate=sample_rate) for one in audio]


def leaking(num_sources: int, num_channels: int, num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Sources and estimates `(source, channel, sample)`, float32 as files are read."""
    sources = 0.1 * RANDOM.normal(size=(num_sources, num_channels, num_samples))
    estimates = sources + 0.2 * sources[::-1] + 0.01 * RANDOM.normal(size=sources.shape)
    return sources.astype(np.float32), estimates.astype(np.float32)


def compare_scale(name: str, sample_rate: int, seconds: float, num_turns: int) -> None:
    peer = importlib.import_module("fast_bss_eval").si_bss_eval_sources
    sources, estimates = leaking(2, 1, round(seconds * sample_rate))
    references = dict(zip("ab", signals(sources, sample_rate), strict=True))
    guesses = signals(estimates, sample_rate)
    (mix,) = signals(sources.sum(axis=0, keepdims=True), sample_rate)
    metric = BSSEvalScale(compute_permutation=True)
    doubles = [one[:, 0].astype(float) for one in (sources, estimates)]
    theirs, ours = fastest(
        num_turns, lambda: peer(*doubles), lambda: metric(references, guesses, mix)
    )
    print(f"ms per track: fast_bss_eval {1000 * theirs:.2f}, ours {1000 * ours:.2f}")
    print(f"RATIO scores.{name} {theirs / ours:.2f} (bar at least 0.8)")


def compare_v4() -> None:
    sources, estimates = leaking(len(STEMS), 2, round(STEM_SECONDS * 44100))
    references = dict(zip(STEMS, signals(sources, 44100), strict=True))
    guesses = signals(estimates, 44100)
    (mix,) = signals(sources.sum(axis=0, keepdims=True), 44100)
    found = {}

    def theirs():
        arrays = [one.transpose(0, 2, 1).astype(float) for one in (sources, estimates)]
        scores = museval.metrics.bss_eval(
            *arrays, compute_permutation=False, window=44100, hop=44100
        )
        found["museval"] = scores[0]

    def ours():
        scores = BSSEvalV4()(references, guesses, mix)
        found["ours"] = [scores[name]["SDR"] for name in STEMS]

    seconds = fastest(2, theirs, ours)
    difference = np.abs(found["museval"] - found["ours"]).max()
    assert difference < 1e-6, f"the scores differ by {difference} dB"
    print(f"s per track: museval {seconds[0]:.2f}, ours {seconds[1]:.2f}")
    print(f"RATIO scores.bss_eval_v4 {seconds[0] / seconds[1]:.1f} (bar at least 10)")


def main():
    torch.set_num_threads(1)
    if importlib.util.find_spec("fast_bss_eval"):
        for name, track in TRACKS.items():
            compare_scale(name, *track)
    compare_v4()


if __name__ == "__main__":
    main()
