"""Evaluation of a mask inference network: nussl's plain loop against evaluate, with equal scores.

50 two-voice mixtures laid out like WHAM (8 kHz, 4 s, 16-bit wav), a 2×100 BLSTM with random
weights, STFT 256/64, one thread, no workers. Both sides take turns in one process. Seconds are CPU
time, of the fastest turn of each side, so that a busy machine hurts neither more than the other.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import nussl
import soundfile
import torch
from nussl.datasets import transforms
from nussl.ml.networks import builders

from audition.commands.evaluate import evaluate
from audition.datasets import build_dataset
from audition.datasets.corpora import WHAM
from audition.files import read_json
from audition.metrics import BSSEvalScale
from audition.runs.folder import Run
from audition.separators import MaskEstimation

SAMPLE_RATE = 8000
NUM_TRACKS = 50
SECONDS = 4
TURNS = 3
STFT_PARAMS = nussl.STFTParams(256, 64, "sqrt_hann")
SOURCES = ("s1", "s2")


def voice(pitch_hz, random):
    """Harmonics with vibrato, in syllables, `(sample,)`."""
    time_axis = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    phase = 2 * np.pi * pitch_hz * time_axis + 0.4 * np.sin(2 * np.pi * 5 * time_axis)
    tone = sum(np.sin(k * phase) / k for k in range(1, int(3600 / pitch_hz)))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 3 * time_axis + 6 * random.random())
    return 0.1 * tone * syllables + 0.002 * random.normal(size=len(time_axis))


def render_corpus(root):
    random = np.random.default_rng(0)
    folder = root / "wav8k/min/tt"
    for name in (*SOURCES, "mix_clean"):
        (folder / name).mkdir(parents=True)
    for number in range(NUM_TRACKS):
        low, high = voice(90 + number, random), voice(190 + 2 * number, random)
        for name, audio in zip((*SOURCES, "mix_clean"), (low, high, low + high), strict=True):
            soundfile.write(folder / name / f"{number:03d}.wav", audio, SAMPLE_RATE)


def save_network(path):
    torch.manual_seed(0)
    model = nussl.ml.SeparationModel(
        builders.build_recurrent_mask_inference(129, 100, 2, True, 0.3, 2, ["sigmoid"])
    )
    about = {"stft_params": STFT_PARAMS, "sample_rate": SAMPLE_RATE, "num_channels": 1}
    chain = [transforms.PhaseSensitiveSpectrumApproximation(), transforms.ToSeparationModel()]
    dataset = {"folder": "", "name": "WHAM", "transforms": transforms.Compose(chain), **about}
    path.parent.mkdir(parents=True)
    model.save(str(path), metadata={**about, "train_dataset": dataset})


def nussl_loop(wham, model_path):
    """Dict, number of the track → scores, the way nussl's tutorials do it."""
    dataset = nussl.datasets.WHAM(str(wham), split="tt", stft_params=STFT_PARAMS)
    scores = {}
    for item in dataset:
        separator = nussl.separation.deep.DeepMaskEstimation(item["mix"], str(model_path))
        sources = [item["sources"][name] for name in SOURCES]
        evaluator = nussl.evaluation.BSSEvalScale(sources, separator(), list(SOURCES))
        scores[Path(item["mix"].path_to_input_file).stem] = evaluator.evaluate()
    return scores


def our_evaluation(wham, model_path, folder):
    run = Run(folder)
    corpus = build_dataset(WHAM(str(wham), split="tt", stft_params=STFT_PARAMS), "test")
    metric = BSSEvalScale(mixture="sum_of_sources")
    evaluate(run, corpus, MaskEstimation(str(model_path)), [metric], device="cpu")
    return {path.stem: read_json(path) for path in run.results.glob("*.json")}


def seconds_of(work, *arguments):
    """`(CPU seconds, result)`."""
    start = time.process_time()
    result = work(*arguments)
    return time.process_time() - start, result


def largest_difference(scores, expected):
    """In dB, over all tracks, sources and columns."""
    assert set(scores) == set(expected) and len(scores) == NUM_TRACKS
    return max(
        np.abs(np.subtract(values, expected[track][source][column])).max()
        for track in scores
        for source in SOURCES
        for column, values in scores[track][source].items()
    )


def main():
    torch.set_num_threads(1)
    theirs, ours = [], []
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        render_corpus(root / "wham")
        model_path = root / "trained" / "best.model.pth"
        save_network(model_path)
        for turn in range(TURNS):
            theirs.append(seconds_of(nussl_loop, root / "wham", model_path))
            folder = root / f"run{turn}"
            ours.append(seconds_of(our_evaluation, root / "wham", model_path, folder))
            difference = largest_difference(ours[-1][1], theirs[-1][1])
            assert difference < 1e-3, f"the scores differ by {difference} dB"
    nussl_seconds, our_seconds = (min(seconds for seconds, _ in turns) for turns in (theirs, ours))
    print(
        f"ms per track: nussl {1000 * nussl_seconds / NUM_TRACKS:.1f}, "
        f"ours {1000 * our_seconds / NUM_TRACKS:.1f}"
    )
    print(f"scores differ by at most {difference:.1e} dB")
    print(f"RATIO evaluate {nussl_seconds / our_seconds:.1f} (bar at least 3)")


if __name__ == "__main__":
    main()
