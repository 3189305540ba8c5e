"""What every separator has: a half that runs a network and a half that runs in workers."""

from dataclasses import dataclass, field

import numpy as np
import nussl

from audition.errors import ConfigError
from audition.identity import describe


@dataclass(frozen=True)
class Separation:
    """What became of one mixture.

    Attributes:
        estimates: AudioSignals, as long as the mix, in the order of the sources where there is one;
            empty where a Teacher found the mixture too quiet to separate.
        features: `(frequency, time, channel, feature)`, what told the bins apart: embeddings, or the
            masks; None of separators without such, and of tracks that were separated in pieces.
        mix: the mixture, whose STFT has the bins of the features; None without features.
        confidences: name of the measure → 0 to 1; empty where none was measured, and of tracks that
            were separated in pieces.
        loudness_lufs: of the mixture, integrated loudness by BS.1770; None where not measured.
    """

    estimates: list[nussl.AudioSignal]
    features: np.ndarray | None = None
    mix: nussl.AudioSignal | None = None
    confidences: dict[str, float] = field(default_factory=dict)
    loudness_lufs: float | None = None


class Separator:
    """A separation in two halves; the instance travels to worker processes, so it must pickle.

    `on_device` is called in the parent process, `finish` in a worker. A separator without a network
    only needs `finish`:

        @gin.register
        class HalfOfTheMix(Separator):
            def finish(self, mix, device_output, sources=None):
                return [mix * 0.5, mix * 0.5]
    """

    def located(self, folder):
        """This separator with its relative paths taken from the run's `folder`."""
        return self

    def with_model(self, model, metadata):
        """This separator with a network that is in memory, in place of the file it would read.

        Args:
            model: nussl SeparationModel, in eval mode by the time it runs.
            metadata: what its model file would say of it, see `checkpoints.save_model`.
        """
        raise ConfigError(
            f"{type(self).__name__} is not made to run the network in training: take "
            "@MaskEstimation(), @EmbeddingClustering() or @WaveformEstimation()."
        )

    def check(self, data):
        """Raises ConfigError where this separator cannot work on `data` (a Split)."""

    def passport(self):
        """JSON-able identity: estimates may be reused as long as this stays the same."""
        return {"class": describe(type(self)), "settings": describe(vars(self))}

    def on_device(self, mixes, device):
        """Runs the network.

        Args:
            mixes: list of AudioSignals.
            device: torch.device.

        Returns:
            list, for each mix what `finish` needs of the network; NumPy arrays travel well.
        """
        return [None] * len(mixes)

    def finish(self, mix, device_output, sources=None):
        """Makes the estimates; what a separator writes, and `separate` calls.

        Args:
            mix: AudioSignal.
            device_output: what `on_device` returned for it.
            sources: mapping, name → AudioSignal; for oracles only. Who takes a signal out of it is
                marked as one in every table.

        Returns:
            list of AudioSignals, as long as the mix, in the order of the sources where there is one;
            or a Separation, which may hold features to measure a confidence on.
        """
        raise NotImplementedError(f"{type(self).__name__} has no finish method.")

    def separate(self, mix, device_output=None, sources=None) -> Separation:
        """What `finish` makes, as a Separation in any case; see `finish` for the arguments."""
        made = self.finish(mix, device_output, sources)
        return made if isinstance(made, Separation) else Separation(list(made))
