"""SpeechBrain 1.1: its data set, STFT, LSTM, loss with permutations and Brain; clipping as in its recipes."""

import random
from collections.abc import Callable
from pathlib import Path

import soundfile
import speechbrain
import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.nnet.linear import Linear
from speechbrain.nnet.losses import get_si_snr_with_pitwrapper
from speechbrain.nnet.normalization import BatchNorm1d
from speechbrain.nnet.RNN import LSTM
from speechbrain.processing.features import ISTFT, STFT
from speechbrain.utils.checkpoints import Checkpointer
from torch import nn

from benchmarks.peers import corpus


class MaskNetwork(nn.Module):
    """As in torch_side.py, of SpeechBrain's parts."""

    def __init__(self, num_layers: int, hidden_size: int):
        super().__init__()
        per_ms = corpus.SPEECH_RATE / 1000
        settings = {
            "sample_rate": corpus.SPEECH_RATE,
            "n_fft": corpus.WINDOW_LENGTH,
            "win_length": corpus.WINDOW_LENGTH / per_ms,
            "hop_length": corpus.HOP_LENGTH / per_ms,
            "window_fn": lambda length: torch.hann_window(length).sqrt(),
        }
        self.stft, self.istft = STFT(**settings), ISTFT(**settings)
        size = corpus.NUM_FREQUENCIES
        self.normalize = BatchNorm1d(input_size=size)
        self.recurrent = LSTM(
            hidden_size, input_size=size, num_layers=num_layers, bidirectional=True
        )
        self.mask = Linear(2 * size, input_size=2 * hidden_size)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Estimates `(batch, sample, source)` of waveforms `(batch, sample)`."""
        spectrum = self.stft(mix)  # (batch, time, frequency, 2)
        magnitude = spectrum.square().sum(-1).clamp_min(1e-10).sqrt()
        hidden, _ = self.recurrent(self.normalize(20 * magnitude.log10()))
        masks = torch.sigmoid(self.mask(hidden)).unflatten(-1, (2, -1))
        estimates = [
            self.istft(spectrum * masks[:, :, source, :, None], sig_length=mix.shape[-1])
            for source in range(2)
        ]
        return torch.stack(estimates, dim=-1)


class Separation(speechbrain.Brain):
    def compute_forward(self, batch, stage):
        return self.modules.network(batch.mix.data)

    def compute_objectives(self, predictions, batch, stage):
        return get_si_snr_with_pitwrapper(batch.sources.data, predictions).mean()

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        self.hparams.gate()


def dataset(folder: Path) -> DynamicItemDataset:
    """Excerpts at random places, read as in SpeechBrain's recipes of separation."""
    files = {
        name: corpus.speech_files(folder / "speech", name)
        for name in (*corpus.SPEAKERS, "mix_clean")
    }
    items = {
        mix.stem: {"mix_file": str(mix), "s1_file": str(one), "s2_file": str(other)}
        for mix, one, other in zip(files["mix_clean"], files["s1"], files["s2"], strict=True)
    }
    length = round(corpus.EXCERPT_SECONDS * corpus.SPEECH_RATE)

    def read(mix_file: str, s1_file: str, s2_file: str):
        start = random.randint(0, soundfile.info(mix_file).frames - length)
        mix, *sources = (
            speechbrain.dataio.dataio.read_audio(
                {"file": path, "start": start, "stop": start + length}
            )
            for path in (mix_file, s1_file, s2_file)
        )
        yield mix
        yield torch.stack(sources, dim=-1)

    data = DynamicItemDataset(items)
    data.add_dynamic_item(
        read, takes=["mix_file", "s1_file", "s2_file"], provides=["mix", "sources"]
    )
    data.set_output_keys(["id", "mix", "sources"])
    return data


LOADING = {"batch_size": corpus.BATCH_SIZE, "shuffle": True, "drop_last": True}


def end_to_end(gate: Callable, folder: Path, num_layers: int, hidden_size: int) -> None:
    torch.manual_seed(0)
    network = MaskNetwork(num_layers, hidden_size)
    home = folder / f"speechbrain_{num_layers}x{hidden_size}"
    brain = Separation(
        {"network": network},
        torch.optim.Adam,
        {"gate": gate, "max_grad_norm": 5.0},
        {"device": "cpu"},
        Checkpointer(home, {"network": network}),
    )
    brain.fit(range(1, 1_000_000), dataset(folder), train_loader_kwargs=LOADING)


def data(gate: Callable, folder: Path) -> None:
    batches = speechbrain.dataio.dataloader.make_dataloader(dataset(folder), **LOADING)
    while True:
        for _ in batches:
            gate()
