"""Plain waveforms, for end-to-end networks."""

import gin
import torch
from nussl.datasets import transforms

from audition.errors import ConfigError
from audition.features.base import Features


@gin.register
class WaveformFeatures(Features):
    """The waveforms themselves, for end-to-end networks and losses on waveforms.

    Args:
        reference_channel: of the sources, the one channel that a network of several microphones
            learns to estimate, counted from 0; None is all of them.
    """

    def __init__(self, reference_channel: int | None = None):
        self.reference_channel = reference_channel

    def __call__(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Renames and reorders axes as nussl's GetAudio does.

        Args:
            batch: dict of `mix` `(batch, channel, sample)` and, if known, `sources`
                `(batch, source, channel, sample)`.

        Returns:
            dict of `mix_audio` `(batch, channel, sample)` and, with sources, `source_audio`
            `(batch, channel, sample, source)`.
        """
        features = {"mix_audio": batch["mix"]}
        if "sources" in batch:
            features["source_audio"] = self.heard(batch["sources"]).movedim(1, -1).contiguous()
        return features

    def heard(self, sources: torch.Tensor) -> torch.Tensor:
        """The channels of `(batch, source, channel, sample)` that the network estimates."""
        channel, num_channels = self.reference_channel, sources.shape[2]
        if channel is None:
            return sources
        if not 0 <= channel < num_channels:
            raise ConfigError(
                f"WaveformFeatures.reference_channel = {channel} is no channel of the sources, "
                f"which have {num_channels}, counted from 0."
            )
        return sources[:, :, [channel]]

    def nussl_transform(self) -> transforms.Compose:
        return transforms.Compose([transforms.GetAudio(), transforms.ToSeparationModel()])
