"""New mixtures of music: RemixStems against the rest of a training iteration, and against Scaper.

Two stems at 16 kHz mono, batches of 20 excerpts of 3.2 s, one thread. The network is ten times the
toy's size (2×300 BLSTM, mask inference). Turns alternate, so that a busy machine hurts all alike;
we take the CPU time of the fastest.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import nussl
import soundfile
import torch
from nussl.ml.networks import builders

from audition.datasets import EpochBatches, Excerpts, build_dataset, waveform_cache
from audition.datasets.corpora import MixSourceFolder, OnTheFly
from audition.device import keep_freed_memory
from audition.features import SpectrogramFeatures
from audition.losses import Losses
from audition.mixing.mixers import CoherentMixer
from audition.mixing.remix import RemixStems
from audition.mixing.scenes import Scene

SAMPLE_RATE = 16000
SECONDS = 3.2
BATCH_SIZE = 20
NUM_SONGS = 20
TURNS = 6
STEMS = ["accompaniment", "vocals"]
STFT_PARAMS = nussl.STFTParams(512, 128, "sqrt_hann")
EVENT = {
    "source_time": ("uniform", 0, 1000),
    "event_duration": ("const", SECONDS),
    "snr": ("uniform", -10, 0),
}


def render_corpus(root):
    """Noise instead of songs, 20 s each: nothing here depends on the sound."""
    random = np.random.default_rng(0)
    for name in (*STEMS, "mixture"):
        (root / name).mkdir()
    for i in range(NUM_SONGS):
        stems = random.normal(0, 0.05, (2, 20 * SAMPLE_RATE))
        for name, audio in zip((*STEMS, "mixture"), (*stems, sum(stems)), strict=True):
            soundfile.write(root / name / f"{i:03d}.wav", audio, SAMPLE_RATE)


def cached(root):
    dataset = MixSourceFolder(str(root), "mixture", STEMS, stft_params=STFT_PARAMS)
    corpus = build_dataset(dataset, "train", cache_root=root / "cache")
    waveform_cache.fill(corpus, 0)
    return corpus


def on_the_fly(root):
    mixer = CoherentMixer(Scene(root, SECONDS, SAMPLE_RATE), STEMS, EVENT, seed=0)
    return build_dataset(OnTheFly(mixer, NUM_SONGS, stft_params=STFT_PARAMS), "train")


def batches(corpus):
    """Endless batches of excerpts."""
    excerpts = Excerpts(corpus, round(SECONDS * SAMPLE_RATE), seed=0)
    return (excerpts.__getitems__(batch) for batch in EpochBatches(BATCH_SIZE, 1000, 0, 1))


class Network:
    """One iteration of training on a batch of waveforms."""

    def __init__(self):
        torch.manual_seed(0)
        config = builders.build_recurrent_mask_inference(257, 300, 2, True, 0.3, 2, ["sigmoid"])
        self.model = nussl.ml.SeparationModel(config)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.losses = Losses({"PermutationInvariantLoss": {"weight": 1.0, "args": ["L1Loss"]}})
        self.features = SpectrogramFeatures(STFT_PARAMS)

    def __call__(self, waveforms):
        data = self.features({name: waveforms[name] for name in ("mix", "sources")})
        self.optimizer.zero_grad()
        self.losses(self.model(dict(data)), data)["loss"].backward()
        self.optimizer.step()


def cpu_seconds(function, *arguments):
    start = time.process_time()
    result = function(*arguments)
    return time.process_time() - start, result


def measure(root):
    """Fastest CPU seconds of a cached batch, its remix, the iteration, a batch of Scaper."""
    remix, train = RemixStems(0.5, -10.0, 0.0, 0), Network()
    read, mixed = batches(cached(root)), batches(on_the_fly(root))
    turns = []
    for turn in range(TURNS):
        reading, batch = cpu_seconds(next, read)
        remixing, batch = cpu_seconds(remix, batch, turn)
        training, _ = cpu_seconds(train, batch)
        turns.append((reading, remixing, training, cpu_seconds(next, mixed)[0]))
    return map(min, zip(*turns, strict=True))


if __name__ == "__main__":
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        render_corpus(Path(folder))
        reading, remixing, training, mixing = measure(Path(folder))
    print(
        f"batch {reading:.4f} s, remix {remixing:.4f}, "
        f"iteration {training:.3f}, Scaper {mixing:.3f}"
    )
    share = remixing / (reading + remixing + training)
    print(f"RATIO remix_share_of_iteration {share:.4f} (bar at most 0.02)")
    print(f"RATIO scaper_over_cached_remix {mixing / (reading + remixing):.1f} (bar at least 5)")
