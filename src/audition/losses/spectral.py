"""Losses of waveforms by their short-time spectra at several resolutions."""

from collections.abc import Iterator, Sequence

import torch
from torch.linalg import vector_norm as norm

from audition.errors import ConfigError
from audition.losses.base import WaveformLoss, loss

LEAST_POWER = 1e-8  # of a bin, below which it counts as silent


class ResolutionsLoss(WaveformLoss):
    """A loss of short-time spectra with Hann windows of several lengths.

    Args:
        window_lengths, hop_lengths: samples; one hop for each window.
        fft_lengths: samples, at least the window's.
    """

    def __init__(
        self, window_lengths: Sequence[int], hop_lengths: Sequence[int], fft_lengths: Sequence[int]
    ):
        super().__init__()
        if not window_lengths or min(window_lengths) < 2:
            raise ConfigError(
                f"{type(self).__name__}.window_lengths = {window_lengths!r} must list lengths of at "
                "least 2 samples."
            )
        self.resolutions = list(zip(fft_lengths, hop_lengths, window_lengths, strict=True))
        for length in window_lengths:
            self.register_buffer(f"window_{length}", torch.hann_window(length), persistent=False)

    def spectra(
        self, estimates: torch.Tensor, targets: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Pairs of complex `(..., channel, frequency, frame)` of signals `(..., channel, sample)`."""
        for resolution in self.resolutions:
            yield self.stft(estimates, *resolution), self.stft(targets, *resolution)

    def stft(self, x: torch.Tensor, fft: int, hop: int, window: int) -> torch.Tensor:
        if x.shape[-1] <= fft // 2:
            raise ConfigError(
                f"{type(self).__name__} can't take spectra of {fft} samples of excerpts of "
                f"{x.shape[-1]}: take longer excerpts, or shorter window_lengths."
            )
        taper = getattr(self, f"window_{window}").to(x.dtype)
        signals = x.reshape(-1, x.shape[-1])
        found = torch.stft(signals, fft, hop, window, taper, return_complex=True)
        return found.unflatten(0, x.shape[:-1])


@loss
class MultiResolutionSTFTLoss(ResolutionsLoss):
    """Distances of magnitudes, a mean over resolutions of weighted sums of three terms.

    The defaults are those of Parallel WaveGAN (Yamamoto et al., ICASSP 2020), as in auraloss: spectral
    convergence and log-magnitudes. The loss of DDSP (Engel et al., ICLR 2020), asteroid's
    SingleSrcMultiScaleSpectral but for its windows and sums, has magnitudes and log-magnitudes:
    `convergence = 0.0, magnitude = 1.0`, at windows of 2048, 1024, … 64 samples.

    Args:
        window_lengths: samples; hops are a quarter of each.
        convergence: weight of ‖|S| − |Ŝ|‖ / ‖|S|‖, Frobenius norms of a signal's channel.
        log_magnitude: weight of the mean of |log |S| − log |Ŝ||.
        magnitude: weight of the mean of ||S| − |Ŝ||.
    """

    def __init__(
        self,
        window_lengths: Sequence[int] = (2048, 1024, 512),
        convergence: float = 1.0,
        log_magnitude: float = 1.0,
        magnitude: float = 0.0,
    ):
        hops = [length // 4 or 1 for length in window_lengths]
        super().__init__(window_lengths, hops, window_lengths)
        self.convergence = convergence
        self.log_magnitude = log_magnitude
        self.magnitude = magnitude

    def compare(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        each = [
            self.distance(magnitudes(one), magnitudes(other))
            for one, other in self.spectra(estimates, targets)
        ]
        return torch.stack(each).mean(0).mean(-1)  # of the channels

    def distance(self, estimate: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`(..., channel)` of magnitudes `(..., channel, frequency, frame)`."""
        difference, bins = estimate - target, (-2, -1)
        convergence = norm(difference, dim=bins) / norm(target, dim=bins)
        logs = (estimate.log() - target.log()).abs().mean(bins)
        return (
            self.convergence * convergence
            + self.log_magnitude * logs
            + self.magnitude * difference.abs().mean(bins)
        )


@loss
class MagnitudeMSELoss(ResolutionsLoss):
    """Mean squared error of magnitudes, on which Open-Unmix is trained.

    Args:
        window_length, hop_length: samples.
    """

    def __init__(self, window_length: int = 4096, hop_length: int = 1024):
        super().__init__([window_length], [hop_length], [window_length])

    def compare(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        ((one, other),) = self.spectra(estimates, targets)
        return (magnitudes(one) - magnitudes(other)).square().mean((-3, -2, -1))


def magnitudes(spectrum: torch.Tensor) -> torch.Tensor:
    power = torch.view_as_real(spectrum).square().sum(-1)
    return power.clamp_min(LEAST_POWER).sqrt()


@loss
class TimeFrequencyL1Loss(ResolutionsLoss):
    """Mean absolute error of the waveform, and of its complex spectra at several resolutions.

    BS-RoFormer is trained on it (Lu et al., "Music source separation with band-split RoPE transformer",
    ICASSP 2024), with these windows and hop.

    Args:
        window_lengths: samples.
        hop_length: samples, of all of them.
        shortest_fft: samples; shorter windows get zeros up to it, as in the package `BS-RoFormer`.
        weight: of the sum over the resolutions.
    """

    def __init__(
        self,
        window_lengths: Sequence[int] = (4096, 2048, 1024, 512, 256),
        hop_length: int = 147,
        shortest_fft: int = 2048,
        weight: float = 1.0,
    ):
        lengths = [max(length, shortest_fft) for length in window_lengths]
        super().__init__(window_lengths, [hop_length] * len(lengths), lengths)
        self.weight = weight

    def compare(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss = (estimates - targets).abs().mean((-2, -1))
        for one, other in self.spectra(estimates, targets):
            loss = loss + self.weight * (one - other).abs().mean((-3, -2, -1))
        return loss
