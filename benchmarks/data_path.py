"""Training data: our waveform cache and features by batch, against nussl's transforms and Cache.

Two-speaker mixtures laid out like WHAM (8 kHz, 4 s, 16-bit wav), STFT 256/64, excerpts of 200
frames, batches of 16, one thread. Both sides take turns in one process. Seconds are CPU time, of
the fastest turn of each side, so that a busy machine hurts neither more than the other.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import nussl
import soundfile
import torch
from nussl.datasets import transforms
from torch.utils.data import DataLoader, default_collate

from audition.datasets import EpochBatches, Excerpts, batch_collate, build_dataset, waveform_cache
from audition.datasets.corpora import WHAM
from audition.device import keep_freed_memory
from audition.features import SpectrogramFeatures
from benchmarks.pickle_folder import open_folder

SAMPLE_RATE = 8000
NUM_ITEMS = 48
NUM_FRAMES = 200
BATCH_SIZE = 16
TURNS = 60
STFT_PARAMS = nussl.STFTParams(256, 64, "hann")


def render_corpus(root):
    """Noise bursts instead of speech: nothing here depends on the sound."""
    random = np.random.default_rng(0)
    for name in ("s1", "s2", "mix_clean"):
        (root / "wav8k/min/tr" / name).mkdir(parents=True)
    for i in range(NUM_ITEMS):
        sources = random.normal(0, 0.05, (2, 4 * SAMPLE_RATE))
        for name, audio in (("s1", sources[0]), ("s2", sources[1]), ("mix_clean", sum(sources))):
            soundfile.write(root / "wav8k/min/tr" / name / f"{i:03d}.wav", audio, SAMPLE_RATE)


def nussl_dataset(root, *steps):
    """nussl's WHAM with its transforms to magnitudes, mask and weights, then `steps`."""
    chain = [transforms.PhaseSensitiveSpectrumApproximation(), transforms.MagnitudeWeights()]
    chain = transforms.Compose([*chain, *steps])
    return nussl.datasets.WHAM(str(root), stft_params=STFT_PARAMS, transform=chain)


def read_batches(dataset, num_items):
    for start in range(0, num_items, BATCH_SIZE):
        default_collate([dataset[i] for i in range(start, start + BATCH_SIZE)])


def training_batches(corpus, features):
    """Iterator over batches as train makes them, more of them than are timed."""
    excerpts = Excerpts(corpus, features.num_samples(NUM_FRAMES), seed=0)
    batches = EpochBatches(BATCH_SIZE, 10 * TURNS, 0, 1)
    return iter(DataLoader(excerpts, batch_sampler=batches, collate_fn=batch_collate))


def fastest(turns):
    """Items per second of CPU time, of the fastest turn of each side.

    Args:
        turns: list of (function, items it works through), one per side.
    """
    rates = [0.0] * len(turns)
    for _ in range(TURNS):
        for side, (work, num_items) in enumerate(turns):
            start = time.process_time()
            work()
            rates[side] = max(rates[side], num_items / (time.process_time() - start))
    return rates


def folder_bytes(folder):
    return sum(path.stat().st_size for path in Path(folder).iterdir())


def compare_reading(corpus, wham, nussl_cache):
    """Excerpts per second: ours, nussl's chain, nussl's cache."""
    features = SpectrogramFeatures(STFT_PARAMS)
    batches = training_batches(corpus, features)
    get_excerpt = transforms.GetExcerpt(NUM_FRAMES)
    uncached = nussl_dataset(wham, transforms.ToSeparationModel(), get_excerpt)
    cached = cached_dataset(wham, nussl_cache)
    for i in range(NUM_ITEMS):
        cached[i]
    cached.cache_populated = True
    return fastest(
        [
            (lambda: [features(next(batches)) for _ in range(4)], 4 * BATCH_SIZE),
            (lambda: [uncached[i] for i in range(4)], 4),
            (lambda: read_batches(cached, 2 * BATCH_SIZE), 2 * BATCH_SIZE),
        ]
    )


def cached_dataset(wham, folder):
    """Cached before ToSeparationModel drops the signals, the order that reads a little faster.

    The other order stores half as many bytes: 10.8 times ours, not 20.9.
    """
    transforms.zarr.open = open_folder  # zarr 2 has no place beside today's NumPy
    cache = transforms.Cache(str(folder), overwrite=True)
    steps = cache, transforms.ToSeparationModel(), transforms.GetExcerpt(NUM_FRAMES)
    return nussl_dataset(wham, *steps)


def compare_filling(wham, folder):
    """Items per second into a cache: ours, nussl's."""
    theirs = cached_dataset(wham, folder / "nussl_filling")
    ours = iter([build(wham, folder / f"ours{turn}") for turn in range(TURNS)])
    return fastest(
        [
            (lambda: waveform_cache.fill(next(ours)), NUM_ITEMS),
            (lambda: [theirs[i] for i in range(4)], 4),
        ]
    )


def build(wham, cache_root):
    return build_dataset(WHAM(str(wham), stft_params=STFT_PARAMS), "train", (), cache_root)


def main():
    torch.set_num_threads(1)
    keep_freed_memory()  # both sides benefit
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        render_corpus(folder / "wham")
        corpus = build(folder / "wham", folder / "ours")
        waveform_cache.fill(corpus)
        ours, chain, cached = compare_reading(corpus, folder / "wham", folder / "nussl")
        our_fill, nussl_fill = compare_filling(folder / "wham", folder)
        sizes = folder_bytes(folder / "nussl") / folder_bytes(waveform_cache.home(corpus))
    print(f"excerpts/s: ours {ours:.0f}, nussl's chain {chain:.0f}, nussl's cache {cached:.0f}")
    print(f"items/s into the cache: ours {our_fill:.0f}, nussl's {nussl_fill:.0f}")
    print(f"RATIO data_path {ours / chain:.1f} (bar at least 20)")
    print(f"RATIO data_path_cached {ours / cached:.2f} (bar at least 0.8)")
    print(f"RATIO cache_size {sizes:.1f} (bar at least 15)")
    print(f"RATIO cache_fill {our_fill / nussl_fill:.1f} (bar at least 20)")


if __name__ == "__main__":
    main()
