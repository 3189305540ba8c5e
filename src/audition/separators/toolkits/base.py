"""Networks that other toolkits trained, as separators: each as its toolkit runs it, at its own rate."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import nussl
import torch
from torch import nn

from audition.audio.files import convert
from audition.audio.signals import signal_like
from audition.checksums import content_checksum
from audition.compat import stand_ins
from audition.device import full_precision
from audition.errors import ConfigError
from audition.identity import describe, public_versions
from audition.separators.base import Separator
from audition.separators.pieces import best_order
from audition.separators.seeds import seeded

Sources = Mapping[str, str | Sequence[str]] | Sequence[str] | None


@dataclass(frozen=True)
class Opened:
    """A toolkit's network, and what it wants.

    Attributes:
        network: in eval mode.
        sample_rate: in Hz.
        num_channels: 1 or 2.
        source_names: of its outputs, in their order; empty if they have none.
        settings: JSON-able, what besides the weights shapes its estimates.
    """

    network: nn.Module
    sample_rate: int
    num_channels: int = 1
    source_names: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)


class ToolkitSeparator(Separator, abc.ABC):
    """Base class of the separators that run another toolkit's network.

    Mixtures of another rate are resampled, and the estimates back. A network of two channels hears a
    mono mixture twice, and its two channels are averaged; one of one channel hears the channels of
    a mixture one by one. Estimates with names come in alphabetical order, as the sources of a data
    set do; those without, in the network's.

    Args:
        sources: of a network whose sources have names: those wanted, or for each wanted source the
            ones to add up for it, such as `{'vocals': 'vocals', 'accompaniment': ['bass', 'drums',
            'other']}`; None is all of them.

    Attributes:
        model: what it runs, for messages.
    """

    packages: tuple[str, ...] = ()  # whose versions shape the estimates

    def __init__(self, sources: Sources = None):
        self.sources = sources
        self._opened = None

    def __getstate__(self):
        return {**vars(self), "_opened": None}

    @property
    @abc.abstractmethod
    def model(self) -> str: ...

    @abc.abstractmethod
    def load(self) -> Opened:
        """Opens the network; nothing that a file says is run."""

    @abc.abstractmethod
    def run(self, network: nn.Module, mix: torch.Tensor) -> torch.Tensor:
        """Estimates `(source, channel, sample)` of a mix `(channel, sample)` as the network wants it."""

    def settings(self) -> dict[str, Any]:
        """Arguments that shape the estimates, JSON-able; not those that say where the network is."""
        return {"sources": self.sources}

    @property
    def opened(self) -> Opened:
        """The network, loaded when first asked for.

        Raises:
            ConfigError: the toolkit is missing, or what it should open cannot be used.
        """
        if self._opened is None:
            self._opened = self.attempt()
            self.check_sources(self._opened.source_names)
        return self._opened

    def attempt(self) -> Opened:
        """Loads; a toolkit fails in many ways, and each becomes one sentence."""
        try:
            with stand_ins.torchaudio():
                return self.load()
        except ConfigError:
            raise
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), "")
            raise ConfigError(
                f"{type(self).__name__} can't open {self.model!r}: {type(error).__name__}: {reason}"
            ) from error

    def check_sources(self, names: Sequence[str]) -> None:
        for name in (one for group in self.groups(names).values() for one in group):
            if name not in names:
                raise ConfigError(
                    f"{type(self).__name__}.sources has {name!r}, and the sources of {self.model!r} "
                    f"are {', '.join(names)}: choose of these."
                )

    def groups(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Each estimate's name → the sources of the network that add up to it, in the order of names."""
        wanted = names if self.sources is None else self.sources
        each = wanted if isinstance(wanted, Mapping) else {name: name for name in wanted}
        each = {name: [one] if isinstance(one, str) else list(one) for name, one in each.items()}
        return dict(sorted(each.items()))

    def check(self, data: Any) -> None:
        if self.opened.num_channels == 2 and data.num_channels > 2:
            raise ConfigError(
                f"{type(self).__name__} separates signals of one or two channels, and the data has "
                f"{data.num_channels}: choose another separator."
            )

    def passport(self) -> dict:
        """By content: the weights, what else shapes the estimates, and the toolkit's version."""
        opened = self.opened
        about = {
            **self.settings(),
            **opened.settings,
            "weights": content_checksum(dict(sorted(opened.network.state_dict().items())))[:16],
            "versions": public_versions(self.packages),
        }
        return {"class": describe(type(self)), "settings": describe(about)}

    def on_device(
        self, mixes: list[nussl.AudioSignal], device: torch.device
    ) -> list[tuple[np.ndarray, int]]:
        """For each mix, estimates `(source, channel, sample)` at the network's rate, and that rate.

        Mixes go through one by one: some toolkits normalise by all that they are given.
        """
        self.opened.network.to(device)
        with torch.inference_mode(), full_precision(), seeded(0):
            return [(self.estimates(mix, device), self.opened.sample_rate) for mix in mixes]

    def estimates(self, mix: nussl.AudioSignal, device: torch.device) -> np.ndarray:
        audio = convert(mix.audio_data.T, mix.sample_rate, self.opened.sample_rate, None)
        inputs = as_inputs(audio.T.astype(np.float32), self.opened.num_channels)
        each = [
            self.run(self.opened.network, torch.as_tensor(one, device=device)).cpu().numpy()
            for one in inputs
        ]
        if not self.opened.source_names:  # nothing says that the channels' sources are in one order
            each = [each[0], *(one[best_order(each[0], one)] for one in each[1:])]
        together = np.concatenate(each, axis=1)
        if mix.num_channels == 1:
            together = together.mean(axis=1, keepdims=True)
        return self.grouped(together)

    def grouped(self, estimates: np.ndarray) -> np.ndarray:
        """Estimates as `sources` asks for them."""
        names = self.opened.source_names
        if not names:
            return estimates
        groups = self.groups(names).values()
        rows = [[names.index(name) for name in group] for group in groups]
        return np.stack([estimates[one].sum(axis=0) for one in rows])

    def finish(
        self, mix: nussl.AudioSignal, device_output: Any, sources: Mapping | None = None
    ) -> list[nussl.AudioSignal]:
        estimates, sample_rate = device_output
        resampled = (convert(one.T, sample_rate, mix.sample_rate, None).T for one in estimates)
        return [signal_like(mix, fitted(one, mix.signal_length)) for one in resampled]


def as_inputs(audio: np.ndarray, num_channels: int) -> list[np.ndarray]:
    """What a network of `num_channels` hears of audio `(channel, sample)`, in turns."""
    if num_channels == 1:
        return [channel[None] for channel in np.ascontiguousarray(audio)]
    return [np.repeat(audio, 2, axis=0) if len(audio) == 1 else np.ascontiguousarray(audio)]


def fitted(audio: np.ndarray, num_samples: int) -> np.ndarray:
    """Audio `(channel, sample)` cut or, with zeros, extended: resampling rounds lengths."""
    audio = audio[:, :num_samples]
    return np.pad(audio, ((0, 0), (0, num_samples - audio.shape[1])))
