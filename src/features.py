"""Waveforms → what a model and its losses read, a batch at a time, on the batch's device.

The numbers equal those of nussl's own transforms, so that a model trained here also runs there.
"""

from functools import reduce
from math import inf

import gin
import nussl
import torch
from nussl.datasets import transforms

from src import spectral
from src.errors import ConfigError

APPROXIMATIONS = ("phase_sensitive", "magnitude")
SMALLEST = 1e-30  # stands in for a magnitude of zero in a division whose numerator is zero too


@gin.register
class SpectrogramFeatures:
    """Magnitudes of the mix, and targets, binary mask and weights where the sources are known.

    Args:
        stft_params: nussl STFTParams; its window_type may be None, nussl's default.
        approximation: "phase_sensitive": the part of each source that is in phase with the mix,
            truncated to [range_min, range_max × magnitude of the mix] (Erdogan et al., 2015);
            "magnitude": the magnitude of each source.
        range_min: -inf leaves the phase-sensitive targets negative where they are.
        range_max: inf leaves them as large as they are.
        weights: whether bins are weighted by their magnitude (Wang et al., 2018).
    """

    def __init__(
        self,
        stft_params,
        approximation="phase_sensitive",
        range_min=0.0,
        range_max=1.0,
        weights=True,
    ):
        if approximation not in APPROXIMATIONS:
            raise ConfigError(
                f"SpectrogramFeatures.approximation = {approximation!r} is none of {APPROXIMATIONS}."
            )
        self.stft_params = complete_stft_params(stft_params)
        self.approximation = approximation
        self.range_min = range_min
        self.range_max = range_max
        self.weights = weights

    def __call__(self, batch):
        """Features of a batch.

        Args:
            batch: dict of `mix` `(batch, channel, sample)` and, where known, `sources`
                `(batch, source, channel, sample)`.

        Returns:
            dict of `mix_magnitude` `(batch, time, frequency, channel)`; with sources also
            `source_magnitudes` and `ideal_binary_mask` `(batch, time, frequency, channel, source)`
            and `weights`, shaped like the mix.
        """
        mix_stft = self.stft(batch["mix"])
        mix_magnitude = magnitude(mix_stft)
        features = {"mix_magnitude": channel_last(mix_magnitude)}
        if "sources" in batch:
            targets = self.targets(self.stft(batch["sources"]), mix_stft, mix_magnitude)
            features["source_magnitudes"] = source_last(targets)
            features["ideal_binary_mask"] = ideal_binary_mask(targets)
            if self.weights:
                features["weights"] = channel_last(magnitude_weights(mix_magnitude))
        return features

    def targets(self, source_stfts, mix_stft, mix_magnitude):
        """Target magnitudes `(batch, source, channel, time, frequency)`; overwrites the source STFTs."""
        if self.approximation == "magnitude":
            return magnitude(source_stfts)
        mix_stft, mix_magnitude = mix_stft[:, None], mix_magnitude[:, None]
        # |S| cos(angle S - angle X), without the angles
        in_phase = source_stfts.mul_(mix_stft.conj()).real / mix_magnitude.clamp_min(SMALLEST)
        if self.range_min > -inf:
            in_phase.clamp_(min=self.range_min)
        if self.range_max < inf:
            torch.minimum(in_phase, self.range_max * mix_magnitude, out=in_phase)
        return in_phase

    def nussl_transform(self):
        """The nussl transforms that give the same numbers for one item; checkpoints carry them."""
        if self.approximation == "magnitude":
            approximation = transforms.MagnitudeSpectrumApproximation()
        else:
            approximation = transforms.PhaseSensitiveSpectrumApproximation(
                range_min=self.range_min, range_max=self.range_max
            )
        weights = [transforms.MagnitudeWeights()] if self.weights else []
        return transforms.Compose([approximation, *weights, transforms.ToSeparationModel()])

    def num_samples(self, num_frames):
        """The greatest number of samples whose STFT has exactly `num_frames` frames."""
        window_length, hop_length, _ = self.stft_params
        return (num_frames - 1) * hop_length + window_length % 2

    def stft(self, x):
        """Complex `(..., time, frequency)` of real `(..., sample)`, as `AudioSignal.stft()`."""
        return spectral.stft(x, self.stft_params)

    def istft(self, X, num_samples):
        """Real `(..., sample)` of complex `(..., time, frequency)`, as `AudioSignal.istft()`."""
        return spectral.istft(X, num_samples, self.stft_params)


@gin.register
class WaveformFeatures:
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
        """The nussl transforms that give the same numbers for one item; checkpoints carry them."""
        return transforms.Compose([transforms.GetAudio(), transforms.ToSeparationModel()])


def complete_stft_params(stft_params):
    """`stft_params` with nussl's window where none is named."""
    if not (stft_params.window_length and stft_params.hop_length):
        raise ConfigError(
            f"SpectrogramFeatures.stft_params = {stft_params} needs STFTParams.window_length and "
            "STFTParams.hop_length, in samples."
        )
    return stft_params._replace(
        window_type=stft_params.window_type or nussl.constants.WINDOW_DEFAULT
    )


def magnitude(X):
    """Absolute value of a complex tensor; `X.abs()` guards against overflow at five times the cost."""
    return X.real.square().addcmul_(X.imag, X.imag).sqrt_()


def ideal_binary_mask(targets):
    """1 where a source alone has the greatest target, else 0: where several share it, none has the bin.

    Args:
        targets: `(batch, source, channel, time, frequency)`.

    Returns:
        float tensor `(batch, time, frequency, channel, source)`.
    """
    parts = [part.movedim(1, -1) for part in targets.unbind(1)]
    mask = targets.new_empty(*parts[0].shape, len(parts))
    for source, part in enumerate(parts):
        others = parts[:source] + parts[source + 1 :]
        mask[..., source] = part > (reduce(torch.maximum, others) if others else -inf)
    return mask


def magnitude_weights(mix_magnitude):
    """Square root of each bin's share of its item's magnitude, times the bins of a channel.

    Args:
        mix_magnitude: `(batch, channel, time, frequency)`.
    """
    num_bins = mix_magnitude.shape[-2] * mix_magnitude.shape[-1]
    total = mix_magnitude.sum(dim=(1, 2, 3), keepdim=True) + 1e-6  # as nussl: silence weighs 0
    return (mix_magnitude * (num_bins / total)).sqrt_()


def channel_last(x):
    """`(batch, channel, time, frequency)` → `(batch, time, frequency, channel)`."""
    return x.movedim(1, -1).contiguous()


def source_last(x):
    """`(batch, source, channel, time, frequency)` → `(batch, time, frequency, channel, source)`."""
    return torch.stack([part.movedim(1, -1) for part in x.unbind(1)], dim=-1)
