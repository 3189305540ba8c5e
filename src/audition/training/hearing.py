"""What a network hears before its first step: excerpts of its training, to standardise its input by."""

import itertools
import logging
from collections.abc import Iterator

import torch

from audition.datasets.excerpts import EpochBatches
from audition.datasets.loaders import make_loader
from audition.models.waveform import WaveformNetwork
from audition.training.settings import Settings
from audition.training.state import Training
from audition.training.step import Forward

log = logging.getLogger(__name__)


def let_hear(training: Training, settings: Settings) -> None:
    """Calls the method `hear` of a waveform network, if it has one, with the training's mixtures.

    It takes as many as it likes, keeps what it learns in its weights, and draws no random numbers. So
    a training that is killed before its first checkpoint begins again with the same weights.
    """
    for layer in training.model.modules():
        if isinstance(layer, WaveformNetwork) and hasattr(layer.network, "hear"):
            log.info("%s hears excerpts of the training.", type(layer.network).__name__)
            layer.network.hear(mixes(training, settings))


def mixes(training: Training, settings: Settings) -> Iterator[torch.Tensor]:
    """What the network would get `(batch, channel, sample)` in iterations 1, 2, …, without an end."""
    per_iteration = settings.excerpts_per_iteration
    of = EpochBatches(per_iteration, epoch_length=1, start_iteration=0, num_epochs=1).of
    batches = (of(iteration) for iteration in itertools.count(1))
    excerpts = settings.train_data, batches, settings.excerpt_samples, settings.seed
    forward = Forward(training.model, settings.features, training.device, None, settings.remix)
    for iteration, batch in enumerate(make_loader(*excerpts, num_workers=0), start=1):
        ((_, waveforms),) = forward.parts(batch, iteration, 1)
        yield settings.features({"mix": waveforms["mix"]})["mix_audio"]
