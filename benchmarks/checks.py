"""What it costs to trust a result: the share of processor time that hashing and checking take.

A training and an evaluation of the toy recipe's size: 800 mixtures of 4 s at 8 kHz in a waveform
cache, a 1×128 BLSTM, 900 iterations of 8 excerpts, 18 epochs; 60 tracks, clustered and scored. One
thread. A share this small drowns in what two runs differ by, so one run tells both: seconds in the
functions below, in whatever thread, over the seconds of all the rest, which is the same run without
them. Of a command, the imports that it begins with are among these: that share has a bar. They are most
of an evaluation this short, so the share of the work after them, which is what counts for thousands of
tracks, is printed, too. Hashes of code come from the notes of a command before. What a disk takes to
sync costs no processor time; it is printed beside it.
"""

import contextlib
import functools
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

import numpy as np
import nussl
import soundfile
import torch

from audition import checksums, code, files, identity
from audition.commands.evaluate import evaluate
from audition.commands.train import train
from audition.datasets import build_dataset, waveform_cache
from audition.datasets import identity as content
from audition.datasets.corpora import WHAM
from audition.datasets.waveform_cache import reading
from audition.datasets.waveform_cache.defects import defects_of_file
from audition.features import SpectrogramFeatures
from audition.handlers import add_autoclip_gradient_handler
from audition.metrics import BSSEvalScale
from audition.reports import evaluations
from audition.runs import lease, results
from audition.runs.folder import Run
from audition.separators import EmbeddingClustering
from audition.training import checkpoints, finite, network_input, passport
from audition.weights import building, checks
from benchmarks.evaluate import SAMPLE_RATE, SOURCES, voice

NUM_MIXTURES = {"tr": 800, "tt": 60}
NUM_VOICES = 60  # different ones
STFT_PARAMS = nussl.STFTParams(256, 128, "sqrt_hann")
NETWORK = nussl.ml.networks.builders.build_recurrent_dpcl(
    129, 128, 1, True, 0.0, 10, ["sigmoid", "unit_norm"]
)
CHECKS = (
    *(checksums.content_checksum, code.code_of, identity.file_sha256, identity.fingerprint),
    *(files.read_json, files.remove_checksum, files.check_guards, results.read_whole),
    *(content.file_states, content.describe_content, evaluations.fingerprints),
    *(reading.check_quickly, reading.check_files, reading.check_audio, defects_of_file),
    *(checkpoints.check_weights, passport.passport, passport.check),
    *(finite.gradient_norms, network_input.check_network_input),
    *(building.check_layer, building.check_same, checks.check_metadata),
    *(results.describe_files, results.changed_files, lease.take),
)


class Meter:
    """Counts the seconds in some functions, however they call each other.

    Attributes:
        seconds: name of the function → processor time of its thread.
        synced: wall time of all os.fsync.
    """

    def __init__(self):
        self.seconds, self.synced = {}, 0.0
        self.here = threading.local()

    def metered(self, function):
        @functools.wraps(function)  # which hashes of code follow
        def wrapped(*arguments, **named):
            if getattr(self.here, "busy", False):
                return function(*arguments, **named)
            self.here.busy, start = True, time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                self.here.busy = False
                took = time.thread_time() - start
                name = function.__name__
                self.seconds[name] = self.seconds.get(name, 0.0) + took

        return wrapped

    def sync(self, function):
        def wrapped(descriptor):
            start = time.perf_counter()
            function(descriptor)
            self.synced += time.perf_counter() - start

        return wrapped

    @contextlib.contextmanager
    def watching(self):
        """Puts itself before the functions, under every name that our modules have for them."""
        with contextlib.ExitStack() as patches:
            for module in [one for name, one in sys.modules.items() if name.startswith("audition")]:
                for name, value in list(vars(module).items()):
                    if any(value is one for one in CHECKS):
                        patch = mock.patch.object(module, name, self.metered(value))
                        patches.enter_context(patch)
            for name in ("total", "copy_weights", "look"):  # not what others wait for in between
                method = self.metered(getattr(finite.Finiteness, name))
                patches.enter_context(mock.patch.object(finite.Finiteness, name, method))
            patches.enter_context(mock.patch("os.fsync", self.sync(files.os.fsync)))
            yield


def render_corpus(root):
    """Mixtures of made-up voices, each used several times."""
    random = np.random.default_rng(0)
    voices = [voice(90 + 3 * number, random) for number in range(NUM_VOICES)]
    for split, count in NUM_MIXTURES.items():
        folder = root / "wav8k/min" / split
        for name in (*SOURCES, "mix_clean"):
            (folder / name).mkdir(parents=True)
        for number in range(count):
            pair = [voices[one] for one in random.choice(NUM_VOICES, 2, replace=False)]
            for name, audio in zip((*SOURCES, "mix_clean"), (*pair, sum(pair)), strict=True):
                soundfile.write(folder / name / f"{number:03d}.wav", audio, SAMPLE_RATE)


def train_toy(run, data):
    train(
        run,
        train_data=data,
        val_data=None,
        features=SpectrogramFeatures(STFT_PARAMS),
        model_config=NETWORK,
        loss_dictionary={"clustering": {"class": "WhitenedKMeansLoss"}},
        optimizer=torch.optim.Adam,
        batch_size=8,
        num_epochs=18,
        epoch_length=50,
        excerpt_frames=100,
        num_threads=1,
        handlers=[lambda training: add_autoclip_gradient_handler(training, 10)],
    )


IMPORTS_SECONDS = time.process_time()


def measured(name, bar, call, *arguments):
    """Calls it and prints what share of it were checks."""
    meter = Meter()
    for cached in (code.read, code.ours):  # each command is a process of its own
        cached.cache_clear()
    with meter.watching():
        start = time.process_time()
        call(*arguments)
        seconds = time.process_time() - start
    checked = sum(meter.seconds.values())
    command = seconds + IMPORTS_SECONDS
    parts = sorted(meter.seconds.items(), key=lambda item: -item[1])
    print(f"{name}: {seconds:.1f} s of processor time after {IMPORTS_SECONDS:.1f} s of imports")
    print(f"syncing the disk: {meter.synced:.2f} s")
    print("ms: " + ", ".join(f"{part} {1000 * took:.0f}" for part, took in parts))
    print(f"RATIO checks_of_{name} {checked / (command - checked):.4f} (bar at most {bar})")
    print(f"RATIO checks_of_{name}_after_imports {checked / (seconds - checked):.4f}")


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        render_corpus(root)
        opened = {
            split: build_dataset(
                WHAM(str(root), split=split, stft_params=STFT_PARAMS), split, (), root
            )
            for split in NUM_MIXTURES
        }
        waveform_cache.fill(opened["tr"])
        run = Run(root / "run")
        code.code_of(evaluate, train)  # so that there are notes
        measured("training", 0.01, train_toy, run, opened["tr"])
        separator = EmbeddingClustering(num_sources=2)
        measured("evaluation", 0.02, evaluate, run, opened["tt"], separator, [BSSEvalScale()])


if __name__ == "__main__":
    main()
