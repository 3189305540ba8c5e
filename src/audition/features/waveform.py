"""Plain waveforms, for end-to-end networks."""

import gin
import torch
from nussl.datasets import transforms

from audition.features.base import Features


@gin.register
class WaveformFeatures(Features):
    """The waveforms themselves, for end-to-end networks and losses on waveforms."""

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
            features["source_audio"] = batch["sources"].movedim(1, -1).contiguous()
        return features

    def nussl_transform(self) -> transforms.Compose:
        return transforms.Compose([transforms.GetAudio(), transforms.ToSeparationModel()])
