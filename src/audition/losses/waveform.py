"""Losses of waveforms that follow from three inner products: of estimate, of source, of both.

So the losses of all pairs of N estimates and sources take one N × N matrix product, and not N² signals.
The products are summed in float64: in float32 the error of an estimate that is nearly perfect would
vanish beside its energy.

Le Roux et al., "SDR – half-baked or well done?", ICASSP 2019 (SI-SDR, SD-SDR); Heitkaemper et al.,
"Demystifying TasNet: A dissecting approach", ICASSP 2020 (log-MSE).
"""

from typing import NamedTuple

import nussl
import torch

from audition.losses.base import WaveformLoss, loss

EPSILON = 1e-8
SMALLEST = 1e-20  # noise of an estimate that is perfect, so that its ratio stays finite


class Products(NamedTuple):
    """Inner products over channels and samples, whose shapes broadcast.

    Attributes:
        estimate: |e|².
        both: e·s.
        target: |s|².
        size: how many numbers a signal has.
    """

    estimate: torch.Tensor
    both: torch.Tensor
    target: torch.Tensor
    size: int

    def error(self, scale: torch.Tensor | float = 1.0) -> torch.Tensor:
        """|e − scale · s|²."""
        squares = self.estimate - 2 * scale * self.both + scale**2 * self.target
        return squares.clamp_min(0.0)


def products(estimates: torch.Tensor, targets: torch.Tensor, zero_mean: bool) -> Products:
    """Of two tensors `(..., channel, sample)`; `zero_mean` first takes off the mean of each channel."""
    size = targets.shape[-2] * targets.shape[-1]
    e, s = (centred(one, zero_mean).flatten(-2) for one in (estimates, targets))
    return Products(
        e.square().sum(-1), torch.einsum("...t,...t->...", e, s), s.square().sum(-1), size
    )


def centred(waveforms: torch.Tensor, zero_mean: bool) -> torch.Tensor:
    """In float64, and without the mean of each channel if `zero_mean`."""
    waveforms = waveforms.to(torch.float64, memory_format=torch.contiguous_format)
    return waveforms - waveforms.mean(-1, keepdim=True) if zero_mean else waveforms


class ProductLoss(WaveformLoss):
    """A loss that follows from inner products; a subclass says how, and sets `zero_mean`."""

    zero_mean = False

    def compare(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        found = self.of_products(products(estimates, targets, self.zero_mean))
        return found.to(estimates.dtype)

    def of_products(self, found: Products) -> torch.Tensor:
        raise NotImplementedError(f"{type(self).__name__} has no of_products method.")


def in_db(ratio: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(ratio + EPSILON)


@loss
class SNRLoss(ProductLoss):
    """Negative signal-to-noise ratio in dB; all channels of a signal make one ratio.

    Args:
        zero_mean: whether the mean of each channel is taken off first.
        max_db: a ratio comes close to it, but not above, so that good estimates stop counting:
            their noise is counted as if the source sounded in it at -max_db (Wisdom et al., "Unsupervised
            sound separation using mixture invariant training", NeurIPS 2020, with 30 dB). None: no
            limit.
    """

    def __init__(self, zero_mean: bool = True, max_db: float | None = None):
        super().__init__()
        self.zero_mean = zero_mean
        self.max_db = max_db

    def of_products(self, found: Products) -> torch.Tensor:
        signal, noise = self.signal_and_noise(found)
        if self.max_db is not None:
            noise = noise + 10 ** (-self.max_db / 10) * signal
        return -in_db(signal / (noise + EPSILON))

    def signal_and_noise(self, found: Products) -> tuple[torch.Tensor, torch.Tensor]:
        """Energies of both."""
        return found.target, found.error()


@loss
class SDSDRLoss(SNRLoss):
    """Negative scale-dependent SDR in dB: like SI-SDR, but a wrong scale counts as noise, too."""

    def signal_and_noise(self, found: Products) -> tuple[torch.Tensor, torch.Tensor]:
        scale = found.both / (found.target + EPSILON)
        return scale**2 * found.target, found.error()


@loss
class LogMSELoss(ProductLoss):
    """Mean squared error in dB, above -80; quiet sources count as much as loud ones."""

    def of_products(self, found: Products) -> torch.Tensor:
        return in_db(found.error() / found.size)


class WithPairs:
    """Adds to a loss of nussl its losses of all pairs, `(batch, estimate, source)`.

    All that is not the source counts as one long signal, as in nussl's invariant losses.
    """

    zero_mean = False

    def pairwise(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        e, s = in_one_channel(estimates), in_one_channel(targets)
        found = products(e.unsqueeze(2), s.unsqueeze(1), self.zero_mean)
        return self.of_products(found).to(estimates.dtype)


def in_one_channel(x: torch.Tensor) -> torch.Tensor:
    """`(batch, ..., source)` → `(batch, source, 1, element)`."""
    return x.flatten(1, -2).mT.unsqueeze(2)


@loss
class SISDRLoss(WithPairs, nussl.ml.train.loss.SISDRLoss):
    """nussl's negative SI-SDR in dB, of each channel; without `scaling`, the SNR. See its arguments."""

    def of_products(self, found: Products) -> torch.Tensor:
        scale = (found.both + EPSILON) / (found.target + EPSILON) if self.scaling else 1.0
        signal, noise = scale**2 * found.target, found.error(scale)
        losses = -in_db(signal / noise.clamp_min(SMALLEST))
        return losses if self.clip_min is None else losses.clamp_min(self.clip_min)


@loss
class MSELoss(WithPairs, nussl.ml.train.loss.MSELoss):
    """nussl's, which is torch's: of magnitudes, or of waveforms where `keys` say so."""

    def of_products(self, found: Products) -> torch.Tensor:
        return found.error() / found.size


@loss
class L1Loss(nussl.ml.train.loss.L1Loss):
    """nussl's, which is torch's: of magnitudes, or of waveforms where `keys` say so."""

    def pairwise(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        e, s = (one.flatten(1, -2).mT for one in (estimates, targets))
        sums = torch.cdist(e.double(), s.double(), p=1)  # its float32 loses three digits
        return (sums / e.shape[-1]).to(estimates.dtype)
