"""Validation items to hear and see in TensorBoard."""

import contextlib
from collections.abc import Iterator
from typing import Any

import gin
import numpy as np
import torch
from ignite.engine import Engine, Events
from nussl import AudioSignal

from audition.audio.signals import cut
from audition.errors import ConfigError
from audition.training import Training, checkpoints, only_watches

RANGE_DB = 80  # of the spectrograms, below the loudest bin of the mix


@gin.register
@only_watches
def add_validation_examples(
    training: Training,
    separator: Any,
    every_epochs: int = 10,
    num_examples: int = 2,
    max_seconds: float = 10.0,
) -> None:
    """Writes audio and spectrograms of the first validation items every `every_epochs` epochs.

    TensorBoard gets `examples/<item>/estimate<N>` and, the first time, `mix` and the sources, all
    as audio with averaged channels and as log-magnitude spectrograms. The training is unaffected:
    the network's mode and all random states are restored afterwards.

    Args:
        separator: such as `@MaskEstimation()`, `@EmbeddingClustering()` or `@WaveformEstimation()`;
            it runs the network as it is at that epoch, not the one in its `model_path`.
        every_epochs: epochs from one set of examples to the next.
        num_examples: number of validation items.
        max_seconds: longer items are cut to this length, around their middle.

    Raises:
        ConfigError: there is no validation data, or the separator can't run this network.
    """
    if training.val_data is None:
        raise ConfigError(
            "add_validation_examples shows items of train.val_data, which is None; bind it, or "
            "remove the handler from train.handlers."
        )
    if every_epochs < 1:
        raise ConfigError(
            f"add_validation_examples.every_epochs = {every_epochs} must be at least 1."
        )
    separator.with_model(training.model, training.metadata)  # raises for one that doesn't fit
    show = ShowExamples(training, separator, num_examples, max_seconds)
    training.trainer.add_event_handler(Events.EPOCH_COMPLETED(every=every_epochs), show)


class ShowExamples:
    """Separates the items one by one and writes the results."""

    def __init__(self, training: Training, separator: Any, num_examples: int, max_seconds: float):
        self.training = training
        self.separator = separator
        self.items = range(min(num_examples, len(training.val_data)))
        self.max_seconds = max_seconds
        self.shown = False  # whether mix and sources, which don't change, have been written

    def __call__(self, engine: Engine) -> None:
        model = self.training.judged
        separator = self.separator.with_model(model, self.training.metadata)
        with undisturbed(model):
            for i in self.items:
                self.show(separator, self.training.val_data[i], self.training.val_data.names[i])
        self.shown = True

    def show(self, separator: Any, item: dict, name: str) -> None:
        mix = middle(item["mix"], self.max_seconds)
        (output,) = separator.on_device([mix], self.training.device)
        estimates = separator.separate(mix, output).estimates
        signals = {f"estimate{number}": one for number, one in enumerate(estimates)}
        if not self.shown:
            sources = item["sources"].items()
            signals |= {"mix": mix} | {key: middle(one, self.max_seconds) for key, one in sources}
        loudest = magnitude(mix).max()
        for key, signal in signals.items():
            self.write(f"examples/{name}/{key}", signal, loudest)

    def write(self, tag: str, signal: AudioSignal, loudest: float) -> None:
        writer, step = self.training.writer, self.training.trainer.state.iteration
        mono = signal.audio_data.mean(axis=0).clip(-1, 1)
        writer.add_audio(tag, mono, step, signal.sample_rate)
        writer.add_image(tag, spectrogram(signal, loudest), step, dataformats="HW")


@contextlib.contextmanager
def undisturbed(model: torch.nn.Module) -> Iterator[None]:
    """Restores the mode of `model` and all random states at the end."""
    mode = model.training
    model.eval()
    try:
        with checkpoints.random_states_kept():
            yield
    finally:
        model.train(mode)


def middle(signal: AudioSignal, seconds: float) -> AudioSignal:
    """At most `seconds` of a signal, around its middle."""
    length = min(round(seconds * signal.sample_rate), signal.signal_length)
    start = (signal.signal_length - length) // 2
    return cut(signal, start, start + length)


def magnitude(signal: AudioSignal) -> np.ndarray:
    """Magnitude STFT `(frequency, time)`, channels averaged."""
    return np.abs(signal.stft()).mean(axis=-1)


def spectrogram(signal: AudioSignal, loudest: float) -> np.ndarray:
    """Image `(frequency, time)`, lowest frequency at the bottom: 1 for the magnitude `loudest`, 0
    at RANGE_DB below it and less."""
    share = magnitude(signal) / max(loudest, np.finfo(np.float32).tiny)
    decibels = 20 * np.log10(share.clip(10 ** (-RANGE_DB / 20), 1))
    return 1 + np.flipud(decibels) / RANGE_DB
