"""nussl 1.1.9: its data set, transforms, closure and trainer, as its tutorials join them.

It runs as it is, but for what it needs to run beside today's libraries.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from audition import compat

compat.AFTER.pop("nussl.ml.networks.modules.filter_bank", None)  # which makes our networks faster

import nussl  # noqa: E402
from ignite.engine import Events  # noqa: E402
from nussl.datasets import transforms  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from benchmarks.peers import corpus  # noqa: E402

STFT_PARAMS = nussl.STFTParams(corpus.WINDOW_LENGTH, corpus.HOP_LENGTH, "sqrt_hann")


class GetExcerptOfAudio:
    """nussl's GetExcerpt cuts after the waveforms are tensors; as long as the others' excerpts."""

    def __init__(self):
        length = round(corpus.EXCERPT_SECONDS * corpus.SPEECH_RATE)
        self.cut = transforms.GetExcerpt(length, tf_keys=["mix_audio", "source_audio"], time_dim=1)

    def __call__(self, data: dict) -> dict:
        return self.cut(data)


def loader(folder: Path) -> DataLoader:
    chain = [transforms.GetAudio(), transforms.ToSeparationModel(), GetExcerptOfAudio()]
    dataset = nussl.datasets.WHAM(
        str(folder / "speech"), stft_params=STFT_PARAMS, transform=transforms.Compose(chain)
    )
    return DataLoader(dataset, corpus.BATCH_SIZE, shuffle=True, drop_last=True)


def end_to_end(gate: Callable, folder: Path, num_layers: int, hidden_size: int) -> None:
    torch.manual_seed(0)
    transform = corpus.WINDOW_LENGTH, corpus.WINDOW_LENGTH, corpus.HOP_LENGTH, "sqrt_hann"
    config = nussl.ml.networks.builders.build_recurrent_end_to_end(
        *transform, hidden_size, num_layers, True, 0.0, 2, ["sigmoid"]
    )
    network = nussl.ml.SeparationModel(config)
    closure = nussl.ml.train.closures.TrainClosure(
        {
            "PermutationInvariantLoss": {
                "args": ["SISDRLoss"],
                "keys": {"audio": "estimates", "source_audio": "targets"},
            }
        },
        torch.optim.Adam(network.parameters()),
        network,
    )
    trainer, _ = nussl.ml.train.create_train_and_validation_engines(closure)
    home = folder / f"nussl_{num_layers}x{hidden_size}"
    nussl.ml.train.add_stdout_handler(trainer)
    nussl.ml.train.add_progress_bar_handler(trainer)
    nussl.ml.train.add_tensorboard_handler(str(home), trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: gate())
    trainer.run(loader(folder), max_epochs=1_000_000)


def data(gate: Callable, folder: Path) -> None:
    batches = loader(folder)
    while True:
        for _ in batches:
            gate()


def scale_scores(gate: Callable, folder: Path, seconds: float, rate: int) -> None:
    references, guesses = signals(seconds, rate)
    while True:
        nussl.evaluation.BSSEvalScale(references, guesses, compute_permutation=True).evaluate()
        gate()


def signals(seconds: float, rate: int) -> Iterator[list[nussl.AudioSignal]]:
    """References and estimates of two sources of one channel."""
    for group in corpus.estimates(seconds, rate, 1, 2):
        yield [nussl.AudioSignal(audio_data_array=one.T, sample_rate=rate) for one in group]
