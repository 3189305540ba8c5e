"""A track on its way through the separation loop: whole, in pieces, and joined again."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import nussl

from audition.audio.signals import signal_like
from audition.errors import ConfigError
from audition.separators.pieces import Joined


class Track(NamedTuple):
    name: str
    mix: nussl.AudioSignal
    sources: dict
    metadata: dict
    looked: bool = False  # whether the separator looked at the sources

    def at(self, channel: int) -> Self:
        """The track as one of its channels has it.

        Raises:
            ConfigError: there is no such channel.
        """
        if not 0 <= channel < self.mix.num_channels:
            raise ConfigError(
                f"evaluate.reference_channel = {channel} is no channel of {self.name}, which has "
                f"{self.mix.num_channels}, counted from 0."
            )
        mix, *sources = (
            signal_like(one, one.audio_data[channel : channel + 1])
            for one in (self.mix, *self.sources.values())
        )
        return self._replace(mix=mix, sources=dict(zip(self.sources, sources, strict=True)))


class Piece(NamedTuple):
    """Part `index` of `count` of a track, as AudioSignals."""

    track: Track
    index: int
    count: int
    mix: nussl.AudioSignal
    sources: dict

    @property
    def name(self) -> str:
        if self.count == 1:
            return self.track.name
        return f"{self.track.name} (piece {self.index + 1} of {self.count})"


class PieceEstimates(NamedTuple):
    track_name: str
    index: int
    audio: np.ndarray  # (source, channel, sample)
    looked: bool  # whether the separator looked at the sources


@dataclass
class LongTrack:
    """A track in pieces, not all of them back yet."""

    track: Track
    joined: Joined
