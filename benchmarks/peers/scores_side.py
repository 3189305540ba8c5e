"""Scores of one track, again and again: ours, by fast_bss_eval and by museval."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.peers import corpus

STEMS = 4
MUSIC = {"rate": corpus.MUSIC_RATE, "num_channels": 2, "num_sources": STEMS}


def ours(group: np.ndarray, rate: int) -> list:
    from nussl import AudioSignal

    return [AudioSignal(audio_data_array=one.T, sample_rate=rate) for one in group]


def repeat_metric(gate: Callable, metric: Callable, references, estimates, rate: int) -> None:
    sources = {f"s{number}": one for number, one in enumerate(ours(references, rate))}
    guesses = ours(estimates, rate)
    (mix,) = ours(references.sum(axis=0, keepdims=True), rate)
    while True:
        metric(sources, guesses, mix)
        gate()


def audition_scale(
    gate: Callable, folder: Path, seconds: float, rate: int, compute_sir_sar: bool
) -> None:
    from audition.metrics import BSSEvalScale

    metric = BSSEvalScale(compute_permutation=True, compute_sir_sar=compute_sir_sar)
    repeat_metric(gate, metric, *corpus.estimates(seconds, rate, 1, 2), rate)


def audition_v4(gate: Callable, folder: Path, seconds: float) -> None:
    from audition.metrics import BSSEvalV4

    repeat_metric(gate, BSSEvalV4(), *corpus.estimates(seconds, **MUSIC), corpus.MUSIC_RATE)


def fast_bss_eval(gate: Callable, folder: Path, seconds: float, rate: int) -> None:
    """Scale-invariant SDR, SIR and SAR with the permutation, of arrays."""
    from fast_bss_eval import si_bss_eval_sources

    references, estimates = (one[..., 0] for one in corpus.estimates(seconds, rate, 1, 2))
    while True:
        si_bss_eval_sources(references, estimates, compute_permutation=True)
        gate()


def museval(gate: Callable, folder: Path, seconds: float) -> None:
    from museval.metrics import bss_eval

    references, estimates = corpus.estimates(seconds, **MUSIC)
    window = corpus.MUSIC_RATE
    while True:
        bss_eval(references, estimates, window=window, hop=window, compute_permutation=False)
        gate()
