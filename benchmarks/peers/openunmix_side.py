"""open-unmix 1.3: its data set, encoder and network, in the loop of its training script."""

from collections.abc import Callable
from pathlib import Path

import torch
from openunmix.data import MUSDBDataset
from openunmix.model import OpenUnmix
from openunmix.transforms import ComplexNorm, make_filterbanks
from openunmix.utils import AverageMeter, bandwidth_to_max_bin
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks.peers import corpus


def loader(folder: Path) -> DataLoader:
    data = MUSDBDataset(
        target="vocals",
        root=str(folder / "songs"),
        is_wav=True,
        split=None,
        seq_duration=corpus.SONG_EXCERPT_SECONDS,
    )
    data.split = "train"  # of songs that its own list of MUSDB18's doesn't know
    return DataLoader(data, corpus.SONG_BATCH_SIZE, shuffle=True)


def music(gate: Callable, folder: Path) -> None:
    torch.manual_seed(0)
    stft, _ = make_filterbanks(n_fft=4096, n_hop=1024, sample_rate=corpus.MUSIC_RATE)
    encoder = nn.Sequential(stft, ComplexNorm(mono=False))
    network = OpenUnmix(
        nb_bins=2049, nb_channels=2, max_bin=bandwidth_to_max_bin(corpus.MUSIC_RATE, 4096, 16000)
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-5)
    batches = loader(folder)
    while True:
        losses, bar = AverageMeter(), tqdm(batches)
        network.train()
        for mix, target in bar:
            optimizer.zero_grad()
            spectrum = encoder(mix)
            loss = nn.functional.mse_loss(network(spectrum), encoder(target))
            loss.backward()
            optimizer.step()
            losses.update(loss.item(), target.size(1))
            bar.set_postfix(loss=f"{losses.avg:.3f}")
            gate()


def song_data(gate: Callable, folder: Path) -> None:
    batches = loader(folder)
    while True:
        for _ in batches:
            gate()
