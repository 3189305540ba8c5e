"""The true sources as a separator gets them: a mapping that notes whether they were looked at."""

from collections.abc import Iterator, Mapping

import nussl


class Watched(Mapping):
    """A mapping, name → AudioSignal, that notes when a signal is taken out of it.

    Their number and names are no secret: only oracles need the signals.

    Attributes:
        looked: whether a signal was taken.
    """

    def __init__(self, signals: dict):
        self._signals = signals
        self.looked = False

    def __getitem__(self, name: str) -> nussl.AudioSignal:
        self.looked = True
        return self._signals[name]

    def __contains__(self, name: object) -> bool:
        return name in self._signals

    def __iter__(self) -> Iterator[str]:
        return iter(self._signals)

    def __len__(self) -> int:
        return len(self._signals)

    def __copy__(self):
        return dict(self)

    def __deepcopy__(self, memo):
        return {name: signal.deep_copy() for name, signal in self.items()}
