"""Magnitudes, and targets for masks, for networks that work on spectrograms.

The numbers equal those of nussl's own transforms, so a model trained here also runs there.
"""

from functools import reduce
from math import inf

import gin
import nussl
import torch
from nussl.datasets import transforms

from audition.audio import stft
from audition.errors import ConfigError
from audition.features.base import Features, complete_stft_params

APPROXIMATIONS = ("phase_sensitive", "magnitude")
SMALLEST = 1e-30  # stands in for a magnitude of zero in a division whose numerator is zero too


@gin.register
class SpectrogramFeatures(Features):
    """Magnitudes of the mix; with known sources, also targets, binary mask and weights.

    Args:
        stft_params: nussl STFTParams; a window_type of None is nussl's default.
        approximation: "phase_sensitive": the part of each source that is in phase with the mix,
            truncated to [range_min, range_max × magnitude of the mix] (Erdogan et al., 2015);
            "magnitude": the magnitude of each source.
        range_min: lower limit of the phase-sensitive targets; -inf allows any negative value.
        range_max: their upper limit; inf allows any value.
        weights: whether bins are weighted by their magnitude (Wang et al., 2018).
    """

    def __init__(
        self,
        stft_params: nussl.STFTParams,
        approximation: str = "phase_sensitive",
        range_min: float = 0.0,
        range_max: float = 1.0,
        weights: bool = True,
    ):
        if approximation not in APPROXIMATIONS:
            raise ConfigError(
                f"SpectrogramFeatures.approximation = {approximation!r} must be one of "
                f"{APPROXIMATIONS}."
            )
        self.stft_params = complete_stft_params(stft_params)
        self.approximation = approximation
        self.range_min = range_min
        self.range_max = range_max
        self.weights = weights

    def __call__(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Features of a batch.

        Args:
            batch: dict of `mix` `(batch, channel, sample)` and, if known, `sources`
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
            targets = self.targets(batch["sources"], mix_stft, mix_magnitude)
            features["source_magnitudes"] = source_last(targets)
            features["ideal_binary_mask"] = ideal_binary_mask(targets)
            if self.weights:
                features["weights"] = channel_last(magnitude_weights(mix_magnitude))
        return features

    def targets(
        self, sources: torch.Tensor, mix_stft: torch.Tensor, mix_magnitude: torch.Tensor
    ) -> list[torch.Tensor]:
        """List of target magnitudes `(batch, time, frequency, channel)`, one for each source."""
        stfts = (self.stft(source) for source in sources.unbind(1))
        if self.approximation == "magnitude":
            return [channel_last(magnitude(stft)) for stft in stfts]
        # |S| cos(angle S - angle X) is the real part of S turned back by the angle of X
        turn_back = mix_stft.conj() * mix_magnitude.clamp_min(SMALLEST).reciprocal_()
        targets = [stft.mul_(turn_back).real.clamp(min=self.range_min) for stft in stfts]
        if self.range_max < inf:
            greatest = self.range_max * mix_magnitude
            targets = [torch.minimum(target, greatest, out=target) for target in targets]
        return [channel_last(target) for target in targets]

    def nussl_transform(self) -> transforms.Compose:
        if self.approximation == "magnitude":
            approximation = transforms.MagnitudeSpectrumApproximation()
        else:
            approximation = transforms.PhaseSensitiveSpectrumApproximation(
                range_min=self.range_min, range_max=self.range_max
            )
        weights = [transforms.MagnitudeWeights()] if self.weights else []
        return transforms.Compose([approximation, *weights, transforms.ToSeparationModel()])

    def stft(self, x: torch.Tensor) -> torch.Tensor:
        """Complex `(..., time, frequency)` of real `(..., sample)`, as in `AudioSignal.stft()`."""
        return stft.stft(x, self.stft_params)


def magnitude(X: torch.Tensor) -> torch.Tensor:
    """Absolute value of a complex tensor, five times as fast as X.abs(), which avoids overflow."""
    squares = torch.view_as_real(X).square()
    return squares[..., 0].add(squares[..., 1]).sqrt_()


def ideal_binary_mask(targets: list[torch.Tensor]) -> torch.Tensor:
    """1 in the bins where a source alone has the greatest target; in a tie, no source gets the bin.

    Args:
        targets: list of `(batch, time, frequency, channel)`, one for each source.

    Returns:
        float tensor `(batch, time, frequency, channel, source)`.
    """
    alone = []
    for source, target in enumerate(targets):
        others = targets[:source] + targets[source + 1 :]
        greatest = reduce(torch.maximum, others) if others else target.new_tensor(-inf)
        alone.append(torch.gt(target, greatest, out=torch.empty_like(target)))  # floats at once
    return source_last(alone)


def magnitude_weights(mix_magnitude: torch.Tensor) -> torch.Tensor:
    """Square root of each bin's share of its item's magnitude, times the bins per channel.

    Args:
        mix_magnitude: `(batch, channel, time, frequency)`.
    """
    num_bins = mix_magnitude.shape[-2] * mix_magnitude.shape[-1]
    total = mix_magnitude.sum(dim=(1, 2, 3), keepdim=True) + 1e-6  # as nussl: silence weighs 0
    return (mix_magnitude * (num_bins / total)).sqrt_()


def channel_last(x: torch.Tensor) -> torch.Tensor:
    """`(batch, channel, time, frequency)` → `(batch, time, frequency, channel)`."""
    return x.movedim(1, -1).contiguous()


def source_last(parts: list[torch.Tensor]) -> torch.Tensor:
    """Stacks float tensors `(batch, time, frequency, channel)`, one per source, along a last axis.

    Two of them, the usual number, are written as one complex tensor, ten times as fast as
    torch.stack; more are written one by one, which is still twice as fast.
    """
    if len(parts) == 2:
        return torch.view_as_real(torch.complex(*parts))
    stacked = torch.empty(*parts[0].shape, len(parts), device=parts[0].device)
    for source, part in enumerate(parts):
        stacked[..., source] = part
    return stacked
