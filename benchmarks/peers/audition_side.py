"""This project: its training as `main.py train` calls it, with what logs, shows and saves."""

from collections.abc import Callable
from pathlib import Path

import nussl
import torch
from ignite.engine import Events
from nussl.ml.networks import builders

from audition.commands.train import train
from audition.datasets import Split, build_dataset, waveform_cache
from audition.datasets.corpora import WHAM, MixSourceFolder
from audition.datasets.excerpts import EpochBatches
from audition.datasets.loaders import make_loader
from audition.device import keep_freed_memory
from audition.features import SpectrogramFeatures, WaveformFeatures
from audition.models import OpenUnmix
from audition.models.waveform import config_of
from audition.runs.folder import Run
from benchmarks.peers import corpus

NEVER = 1_000_000  # epochs until the end
STFT_PARAMS = nussl.STFTParams(corpus.WINDOW_LENGTH, corpus.HOP_LENGTH, "sqrt_hann")


def run_training(gate: Callable, home: Path, **settings) -> None:
    def add_gate(training):
        training.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: gate())

    train(
        Run(home),
        val_data=None,
        optimizer=torch.optim.Adam,
        num_epochs=NEVER,
        handlers=[add_gate],
        num_threads=1,
        device="cpu",
        **settings,
    )


def speech(folder: Path, cached: bool) -> Split:
    dataset = WHAM(str(folder / "speech"), stft_params=STFT_PARAMS)
    data = build_dataset(dataset, "train", (), folder / "cache" if cached else None)
    if cached:
        waveform_cache.fill(data)
    return data


def end_to_end(
    gate: Callable, folder: Path, num_layers: int, hidden_size: int, cached: bool = True
) -> None:
    run_training(
        gate,
        folder / f"audition_{num_layers}x{hidden_size}_{cached}",
        train_data=speech(folder, cached),
        features=WaveformFeatures(),
        model_config=end_to_end_network(num_layers, hidden_size),
        loss_dictionary={
            "PermutationInvariantLoss": {
                "args": ["SISDRLoss"],
                "keys": {"audio": "estimates", "source_audio": "targets"},
            }
        },
        batch_size=corpus.BATCH_SIZE,
        excerpt_seconds=corpus.EXCERPT_SECONDS,
    )


def end_to_end_network(num_layers: int, hidden_size: int) -> dict:
    transform = corpus.WINDOW_LENGTH, corpus.WINDOW_LENGTH, corpus.HOP_LENGTH, "sqrt_hann"
    recurrent = hidden_size, num_layers, True, 0.0, 2, ["sigmoid"]
    return builders.build_recurrent_end_to_end(*transform, *recurrent)


def spectral(
    gate: Callable, folder: Path, num_layers: int, hidden_size: int, num_frames: int
) -> None:
    config = builders.build_recurrent_mask_inference(
        corpus.NUM_FREQUENCIES, hidden_size, num_layers, True, 0.0, 2, ["sigmoid"]
    )
    run_training(
        gate,
        folder / f"audition_spectral_{num_layers}x{hidden_size}",
        train_data=speech(folder, cached=True),
        features=SpectrogramFeatures(STFT_PARAMS),
        model_config=config,
        loss_dictionary={"PermutationInvariantLoss": {"args": ["L1Loss"]}},
        batch_size=corpus.BATCH_SIZE,
        excerpt_frames=num_frames,
    )


def songs(folder: Path) -> Split:
    stft_params = nussl.STFTParams(4096, 1024, "sqrt_hann")
    dataset = MixSourceFolder(
        str(folder / "songs/by_stem"),
        "mixture",
        ["vocals"],
        sample_rate=corpus.MUSIC_RATE,
        stft_params=stft_params,
    )
    data = build_dataset(dataset, "train", (), folder / "cache")
    waveform_cache.fill(data)
    return data


def music(gate: Callable, folder: Path) -> None:
    """Open-Unmix for one target, as open-unmix trains it."""
    run_training(
        gate,
        folder / "audition_music",
        train_data=songs(folder),
        features=WaveformFeatures(),
        model_config=config_of(OpenUnmix(num_sources=1, num_heard_excerpts=4)),
        loss_dictionary={"MagnitudeMSELoss": {}},
        batch_size=corpus.SONG_BATCH_SIZE,
        epoch_length=16,
        excerpt_seconds=corpus.SONG_EXCERPT_SECONDS,
    )


def data(gate: Callable, folder: Path, cached: bool) -> None:
    num_samples = round(corpus.EXCERPT_SECONDS * corpus.SPEECH_RATE)
    read(gate, speech(folder, cached), num_samples, corpus.BATCH_SIZE)


def song_data(gate: Callable, folder: Path) -> None:
    num_samples = round(corpus.SONG_EXCERPT_SECONDS * corpus.MUSIC_RATE)
    read(gate, songs(folder), num_samples, corpus.SONG_BATCH_SIZE)


def read(gate: Callable, split: Split, num_samples: int, batch_size: int) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()  # as train does
    batches = EpochBatches(batch_size, 1000, 0, NEVER)
    for _ in make_loader(split, batches, num_samples, 0, 0):
        gate()
