"""asteroid 0.7: its data set, filterbanks, recurrent network, loss and System, trained by Lightning."""

import json
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as lightning
import soundfile
import torch
from asteroid.data import WhamDataset
from asteroid.engine import System
from asteroid.losses import PITLossWrapper, pairwise_neg_sisdr
from asteroid.masknn.recurrent import SingleRNN
from asteroid_filterbanks import make_enc_dec
from asteroid_filterbanks.transforms import apply_mag_mask, mag
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.peers import corpus


class MaskNetwork(nn.Module):
    """As in torch_side.py, of asteroid's parts."""

    def __init__(self, num_layers: int, hidden_size: int):
        super().__init__()
        self.encoder, self.decoder = make_enc_dec(
            "stft", corpus.WINDOW_LENGTH, corpus.WINDOW_LENGTH, corpus.HOP_LENGTH
        )
        size = corpus.NUM_FREQUENCIES
        self.normalize = nn.BatchNorm1d(size)
        self.recurrent = SingleRNN("LSTM", size, hidden_size, num_layers, bidirectional=True)
        self.mask = nn.Linear(2 * hidden_size, 2 * size)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        spectrum = self.encoder(mix.unsqueeze(1))
        level = self.normalize(20 * mag(spectrum).clamp_min(1e-5).log10())
        masks = torch.sigmoid(self.mask(self.recurrent(level.mT)))
        masks = masks.unflatten(-1, (2, -1)).permute(0, 2, 3, 1)
        masked = apply_mag_mask(spectrum.unsqueeze(1), masks)
        return self.decoder(masked, length=mix.shape[-1])


class AtGate(lightning.Callback):
    def __init__(self, gate: Callable):
        self.gate = gate

    def on_train_batch_end(self, *_) -> None:
        self.gate()


def loader(folder: Path, home: Path) -> DataLoader:
    home.mkdir(parents=True)
    for name in (*corpus.SPEAKERS, "mix_clean"):
        files = corpus.speech_files(folder / "speech", name)
        lengths = [[str(path), soundfile.info(path).frames] for path in files]
        (home / f"{name}.json").write_text(json.dumps(lengths))
    data = WhamDataset(str(home), "sep_clean", corpus.SPEECH_RATE, corpus.EXCERPT_SECONDS)
    return DataLoader(data, corpus.BATCH_SIZE, shuffle=True, drop_last=True)


def end_to_end(gate: Callable, folder: Path, num_layers: int, hidden_size: int) -> None:
    torch.manual_seed(0)
    home = folder / f"asteroid_{num_layers}x{hidden_size}"
    network = MaskNetwork(num_layers, hidden_size)
    loss = PITLossWrapper(pairwise_neg_sisdr, pit_from="pw_mtx")
    system = System(
        network, torch.optim.Adam(network.parameters()), loss, loader(folder, home / "json")
    )
    trainer = lightning.Trainer(
        max_epochs=-1,
        limit_val_batches=0,
        default_root_dir=home,
        accelerator="cpu",
        callbacks=[AtGate(gate)],
    )
    trainer.fit(system)


def data(gate: Callable, folder: Path) -> None:
    batches = loader(folder, folder / "asteroid_data")
    while True:
        for _ in batches:
            gate()
