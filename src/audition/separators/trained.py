"""The network of a finished run as a function of arrays, for use in other projects."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import nussl
import torch

from audition import registry
from audition.configs.aside import value_in
from audition.device import choose_device
from audition.errors import ConfigError
from audition.files import check_links
from audition.runs.folder import Run
from audition.separators.networks import NetworkSeparator


class Format(NamedTuple):
    """What a separator checks about its input: elsewhere of a dataset, here of an array."""

    sample_rate: int
    num_channels: int


class TrainedSeparator(NamedTuple):
    """A network, and how its output becomes estimates; call it with an array."""

    separator: NetworkSeparator
    device: torch.device

    def __call__(self, mix: np.ndarray, sample_rate: int) -> np.ndarray:
        """Separates a mixture in one go, so memory grows with its length.

        Args:
            mix: `(channel, sample)` or `(sample,)`, float in [-1, 1].
            sample_rate: Hz; must be the one that the network was trained on.

        Returns:
            array `(source, channel, sample)`, as long as the mix.

        Raises:
            ConfigError: the sample rate or the number of channels differs from the training data's.
        """
        audio = np.atleast_2d(mix)
        self.separator.check(Format(sample_rate, len(audio)))
        signal = nussl.AudioSignal(audio_data_array=audio, sample_rate=sample_rate)
        (output,) = self.separator.on_device([signal], self.device)
        estimates = self.separator.separate(signal, output).estimates
        return np.stack([estimate.audio_data for estimate in estimates])


def load_separator(
    run_folder: str | Path, device: str = "auto", untrusted: bool = False
) -> TrainedSeparator:
    """The separator that a run is evaluated with, and its trained network.

    Args:
        run_folder: folder that holds `config.gin`.
        device: of the network; "auto" takes a GPU if there is one.
        untrusted: whether the run comes from a stranger, as `--untrusted` says it.

    Raises:
        ConfigError: no run folder, no checkpoint, or a separator without a network.
    """
    run = Run(Path(run_folder))
    registry.register()
    if untrusted:
        check_links(run.folder)
    separator = value_in(run, "evaluate.separator", untrusted)
    if not isinstance(separator, NetworkSeparator):
        raise ConfigError(
            f"evaluate.separator of {str(run.config)!r} doesn't run a network of this project: "
            "give the folder of a run that was trained."
        )
    return TrainedSeparator(separator.located(run.folder), choose_device(device))
