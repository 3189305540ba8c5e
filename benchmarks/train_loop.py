"""Training: our whole loop, data included, against plain torch on one loaded batch.

Three networks, one thread, batches from a waveform cache. After each of our iterations the bare loop runs
one on its own network, so that a busy machine hurts both alike; CPU time of the fastest of each.

    train_loop         2×300 BLSTM, mask inference, against the same network, features not counted there
    spectral           the same with 2×100
    end_to_end         2×100 BLSTM from waveform to waveform, against torch.stft, nn.LSTM and torch.istft
    end_to_end_small   the same with 1×8, where all that isn't the network weighs most
    overhead_us        microseconds that an iteration of a network of 1×2 takes beyond the same step in a
                       bare loop: events, AutoClip, TensorBoard, progress, finiteness; loading not counted
"""

import copy
import tempfile
import time
from pathlib import Path

import torch
from ignite.engine import Events
from nussl.ml.networks import builders
from torch import nn

from audition.commands.train import train
from audition.datasets import build_dataset, waveform_cache
from audition.datasets.corpora import WHAM
from audition.features import SpectrogramFeatures, WaveformFeatures
from audition.handlers import add_autoclip_gradient_handler
from audition.losses import Losses
from audition.runs.folder import Run
from benchmarks.data_path import STFT_PARAMS, render_corpus

SAMPLES = 25600  # of an excerpt, 3.2 s


class BareLoop:
    """Handler that runs one bare iteration after each of ours and times both, in CPU seconds.

    Args:
        features: of the batch that the bare loop trains on, again and again.
        losses: loss dictionary.
        network: of the bare loop; None takes a copy of ours.
    """

    def __init__(self, features, losses, network=None):
        self.features, self.network = features, network
        self.losses = Losses(losses)
        self.ours, self.bare, self.loading = [], [], []

    def __call__(self, training):
        self.training = training
        trainer = training.trainer
        trainer.add_event_handler(Events.GET_BATCH_STARTED, self.begin_loading)
        trainer.add_event_handler(Events.GET_BATCH_COMPLETED, self.end_loading)
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self.turn)

    def begin_loading(self, engine):
        self.loading_began = time.process_time()

    def end_loading(self, engine):
        self.loading.append(time.process_time() - self.loading_began)

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
        self.model = self.network or copy.deepcopy(self.training.model)
        learned = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.Adam(learned)
        self.data = self.features({"mix": batch["mix"], "sources": batch["sources"]})

    def iterate(self):
        self.optimizer.zero_grad()
        self.losses(self.model(dict(self.data)), self.data)["loss"].backward()
        self.optimizer.step()

    def ratio(self):
        return min(self.ours) / min(self.bare)

    def overhead_us(self):
        pairs = zip(self.ours, self.loading[1:], strict=True)
        return 1e6 * (min(ours - loading for ours, loading in pairs) - min(self.bare))


class BareLoopWithFeatures(BareLoop):
    """Makes them in each iteration, as ours does."""

    def prepare(self, batch):
        super().prepare(batch)
        self.waveforms = {"mix": batch["mix"], "sources": batch["sources"]}

    def iterate(self):
        self.data = self.features(self.waveforms)
        super().iterate()


class PlainEndToEnd(nn.Module):
    """What `build_recurrent_end_to_end` is, of torch's parts alone."""

    def __init__(self, hidden_size, num_layers):
        super().__init__()
        self.norm = nn.BatchNorm1d(1)
        self.lstm = nn.LSTM(129, hidden_size, num_layers, batch_first=True, bidirectional=True)
        self.mask = nn.Linear(2 * hidden_size, 2 * 129)
        self.register_buffer("window", torch.hann_window(256).sqrt())

    def forward(self, data):
        mix = data["mix_audio"][:, 0]
        settings = {"n_fft": 256, "hop_length": 64, "window": self.window}
        spectrum = torch.stft(mix, **settings, pad_mode="constant", return_complex=True)
        loud = spectrum.abs().clamp_min(1e-4).log10()
        loud = self.norm(loud.flatten(1).unsqueeze(1)).reshape(loud.shape)
        masks = self.mask(self.lstm(loud.mT)[0]).sigmoid().unflatten(-1, (2, 129))
        estimates = masks.permute(0, 2, 3, 1) * spectrum.unsqueeze(1)
        audio = torch.istft(estimates.flatten(0, 1), **settings, length=mix.shape[-1])
        return {"audio": audio.unflatten(0, (-1, 2)).mT.unsqueeze(1)}


def spectral(root, data, hidden_size, num_layers, iterations):
    features = SpectrogramFeatures(STFT_PARAMS)
    losses = {"PermutationInvariantLoss": {"weight": 1.0, "args": ["L1Loss"]}}
    config = builders.build_recurrent_mask_inference(
        129, hidden_size, num_layers, True, 0.3, 2, ["sigmoid"]
    )
    probe = BareLoop(features, losses)
    length = {"excerpt_frames": 200}
    fit(root, data, features, losses, config, 16, iterations, [probe], length)
    return probe


def smallest(root, data):
    features = SpectrogramFeatures(STFT_PARAMS)
    losses = {"PermutationInvariantLoss": {"weight": 1.0, "args": ["L1Loss"]}}
    config = builders.build_recurrent_mask_inference(129, 2, 1, True, 0.0, 2, ["sigmoid"])
    probe = BareLoopWithFeatures(features, losses)
    length = {"excerpt_frames": 50}
    fit(root, data, features, losses, config, 4, 300, [autoclip, probe], length)
    return probe


def end_to_end(root, data, hidden_size, num_layers, iterations):
    features = WaveformFeatures()
    losses = {"PermutationInvariantLoss": {"weight": 1.0, "args": ["SISDRLoss"]}}
    config = builders.build_recurrent_end_to_end(
        256, 256, 64, "sqrt_hann", hidden_size, num_layers, True, 0.0, 2, ["sigmoid"]
    )
    probe = BareLoop(features, losses, PlainEndToEnd(hidden_size, num_layers))
    length = {"excerpt_seconds": SAMPLES / 8000}
    fit(root, data, features, losses, config, 8, iterations, [probe], length)
    return probe


def fit(root, data, features, losses, config, batch_size, iterations, handlers, length):
    with tempfile.TemporaryDirectory(dir=root) as folder:
        train(
            Run(Path(folder)),
            train_data=data,
            val_data=None,
            features=features,
            model_config=config,
            loss_dictionary=losses,
            optimizer=torch.optim.Adam,
            batch_size=batch_size,
            num_epochs=1,
            epoch_length=iterations,
            handlers=handlers,
            num_threads=1,
            **length,
        )


def autoclip(training):
    add_autoclip_gradient_handler(training, clip_percentile=10)


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        render_corpus(root)
        data = build_dataset(WHAM(str(root), stft_params=STFT_PARAMS), "train", cache_root=root)
        waveform_cache.fill(data)
        overhead = smallest(root, data).overhead_us()
        print(f"RATIO overhead_us {overhead:.0f} (bar at most 500)", flush=True)
        ratio = end_to_end(root, data, 8, 1, 30).ratio()
        print(f"RATIO end_to_end_small {ratio:.3f} (bar at most 1.8)", flush=True)
        ratio = end_to_end(root, data, 100, 2, 20).ratio()
        print(f"RATIO end_to_end {ratio:.3f} (bar at most 1.2)", flush=True)
        ratio = spectral(root, data, 100, 2, 20).ratio()
        print(f"RATIO spectral {ratio:.3f} (bar at most 1.1)", flush=True)
        ratio = spectral(root, data, 300, 2, 15).ratio()
        print(f"RATIO train_loop {ratio:.3f} (bar at most 1.03)", flush=True)


if __name__ == "__main__":
    main()
