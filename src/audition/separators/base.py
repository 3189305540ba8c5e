"""The base class of separators: one half runs a network, the other runs in worker processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import nussl
import torch

from audition.errors import ConfigError
from audition.identity import describe


@dataclass(frozen=True)
class Separation:
    """The result of separating one mixture.

    Attributes:
        estimates: AudioSignals, as long as the mix, in the order of the sources if there is one;
            empty if a Teacher found the mixture too quiet to separate.
        features: name → `(frequency, time, channel, feature)`, what tells the bins apart, such as
            "embedding" or "mask"; confidence is measured on the first. Empty if the separator has
            none, or separated the track in pieces.
        mix: the mixture, whose STFT has the bins of the features; None without features.
        confidences: name of the measure → 0 to 1; empty if none was measured, and for tracks that
            were separated in pieces.
        loudness_lufs: integrated loudness of the mixture by BS.1770; None if not measured.
    """

    estimates: list[nussl.AudioSignal]
    features: dict[str, np.ndarray] = field(default_factory=dict)
    mix: nussl.AudioSignal | None = None
    confidences: dict[str, float] = field(default_factory=dict)
    loudness_lufs: float | None = None


class Separator:
    """Separates in two halves, and goes to worker processes, so it must pickle.

    `on_device` is called in the parent process, `finish` in a worker. A separator without a network
    only needs `finish`:

        @gin.register
        class HalfOfTheMix(Separator):
            def finish(self, mix, device_output, sources=None):
                return [mix * 0.5, mix * 0.5]

    Attributes:
        feature_keys: names of the features that its Separations hold, where known beforehand.
        own_features: what `feature_keys` is before anyone asks for others.
    """

    feature_keys: tuple[str, ...] = ()
    own_features: tuple[str, ...] = ()

    def located(self, folder: Path) -> Self:
        """This separator with its relative paths resolved against the run's `folder`."""
        return self

    def with_model(self, model: nussl.ml.SeparationModel, metadata: dict) -> Self:
        """This separator with a network in memory instead of the one in its model file.

        Args:
            model: nussl SeparationModel, in eval mode by the time it runs.
            metadata: what its model file would hold, see `checkpoints.save_model`.
        """
        raise ConfigError(
            f"{type(self).__name__} can't run the network in training: use "
            "@MaskEstimation(), @EmbeddingClustering() or @WaveformEstimation()."
        )

    def check(self, data: Any) -> None:
        """Raises a ConfigError if this separator can't work on `data` (a Split)."""

    def rehearsing(self, folder: Path, model: Any, metadata: dict, data: Any) -> Self | None:
        """This separator, checked on `data`, as it will be once the run in `folder` is trained.

        Args:
            folder: of the run; there may be no checkpoint in it yet.
            model, metadata: see `with_model`.
            data: Split.

        Returns:
            Separator, or None where it can't be tried without the checkpoint.

        Raises:
            ConfigError: it cannot work on `data`, or not with this network.
        """
        separator = self.located(folder)
        separator.check(data)
        return separator

    def with_features(self, names: Sequence[str] = ()) -> Self:
        """This separator, made to return features that it otherwise doesn't, to save their cost.

        Args:
            names: of the features; empty for those that confidence is best measured on.
        """
        return self

    def passport(self) -> dict:
        """JSON-able identity: estimates may be reused as long as it stays the same."""
        return {"class": describe(type(self)), "settings": describe(vars(self))}

    def parts(self) -> list[Any]:
        """Classes whose code shapes the estimates, besides those in the passport."""
        return [type(self)]

    def on_device(self, mixes: list[nussl.AudioSignal], device: torch.device) -> list:
        """Runs the network.

        Args:
            mixes: list of AudioSignals.
            device: torch.device.

        Returns:
            list with what `finish` needs for each mix, best as NumPy arrays.
        """
        return [None] * len(mixes)

    def finish(
        self, mix: nussl.AudioSignal, device_output: Any, sources: Mapping | None = None
    ) -> list[nussl.AudioSignal] | Separation:
        """Makes the estimates. A subclass defines this method, and `separate` calls it.

        Args:
            mix: AudioSignal.
            device_output: what `on_device` returned for this mix.
            sources: mapping, name → AudioSignal; for oracles only. A separator that takes a signal
                out of it is marked as an oracle in every table.

        Returns:
            list of AudioSignals, as long as the mix, in the order of the sources if there is one;
            or a Separation, which may also hold features to measure confidence with.
        """
        raise NotImplementedError(f"{type(self).__name__} has no finish method.")

    def separate(
        self, mix: nussl.AudioSignal, device_output: Any = None, sources: Mapping | None = None
    ) -> Separation:
        """Calls `finish`, which explains the arguments, and always returns a Separation."""
        made = self.finish(mix, device_output, sources)
        return made if isinstance(made, Separation) else Separation(list(made))
