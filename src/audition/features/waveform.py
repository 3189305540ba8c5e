"""Waveforms as they are, for networks from end to end."""

import gin
from nussl.datasets import transforms

from audition.features.base import Features


@gin.register
class WaveformFeatures(Features):
    """The waveforms themselves, for end-to-end models and losses on waveforms."""

    def __call__(self, batch):
        """Renames and reorders as nussl's GetAudio does.

        Args:
            batch: dict of `mix` `(batch, channel, sample)` and, where known, `sources`
                `(batch, source, channel, sample)`.

        Returns:
            dict of `mix_audio` `(batch, channel, sample)` and, with sources, `source_audio`
            `(batch, channel, sample, source)`.
        """
        features = {"mix_audio": batch["mix"]}
        if "sources" in batch:
            features["source_audio"] = batch["sources"].movedim(1, -1).contiguous()
        return features

    def nussl_transform(self):
        return transforms.Compose([transforms.GetAudio(), transforms.ToSeparationModel()])
