"""Training: our time per iteration, data included, against a bare PyTorch loop on one loaded batch.

The network is ten times the toy's size (2×300 BLSTM, mask inference); batches are 16 excerpts of
200 frames from a waveform cache; one thread. After each of our iterations the bare loop runs one on
a copy of the network, so that a busy machine hurts both alike; we take the CPU time of the fastest.
"""

import copy
import tempfile
import time
from pathlib import Path

import nussl
import torch
from ignite.engine import Events

from audition.commands.train import train
from audition.datasets import build_dataset, waveform_cache
from audition.datasets.corpora import WHAM
from audition.features import SpectrogramFeatures
from audition.losses import Losses
from audition.runs.folder import Run
from benchmarks.data_path import STFT_PARAMS, render_corpus

NUM_ITERATIONS = 15
LOSSES = {"PermutationInvariantLoss": {"weight": 1.0, "args": ["L1Loss"]}}


class BareLoop:
    """Handler that runs one bare iteration after each of ours and times both, in CPU seconds."""

    def __init__(self, features):
        self.features = features
        self.ours, self.bare = [], []

    def __call__(self, training):
        self.training = training
        training.trainer.add_event_handler(Events.ITERATION_COMPLETED, self.turn)

    def turn(self, engine):
        if engine.state.iteration == 1:
            self.prepare(engine.state.batch)
        else:
            self.ours.append(time.process_time() - self.began)
        start = time.process_time()
        self.iterate()
        self.bare.append(time.process_time() - start)
        self.began = time.process_time()

    def prepare(self, batch):
        self.model = copy.deepcopy(self.training.model)
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.data = self.features({"mix": batch["mix"], "sources": batch["sources"]})
        self.losses = Losses(LOSSES)

    def iterate(self):
        self.optimizer.zero_grad()
        self.losses(self.model(dict(self.data)), self.data)["loss"].backward()
        self.optimizer.step()


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        render_corpus(root)
        data = build_dataset(WHAM(str(root), stft_params=STFT_PARAMS), "train", cache_root=root)
        waveform_cache.fill(data)
        features = SpectrogramFeatures(STFT_PARAMS)
        probe = BareLoop(features)
        train(
            Run(root / "run"),
            train_data=data,
            val_data=None,
            features=features,
            model_config=nussl.ml.networks.builders.build_recurrent_mask_inference(
                129, 300, 2, True, 0.3, 2, ["sigmoid"]
            ),
            loss_dictionary=LOSSES,
            optimizer=torch.optim.Adam,
            batch_size=16,
            num_epochs=1,
            epoch_length=NUM_ITERATIONS,
            excerpt_frames=200,
            handlers=[probe],
            num_threads=1,
        )
    ratio = min(probe.ours) / min(probe.bare)
    print(f"RATIO train_loop {ratio:.3f} (bar at most 1.03)")


if __name__ == "__main__":
    main()
