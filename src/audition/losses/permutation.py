"""One permutation of the sources per utterance (Kolbæk et al., TASLP 2017)."""

import functools
from itertools import permutations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

from audition.losses.base import check_shapes, loss

MOST_TRIED = 3  # estimates; with more, the Hungarian method finds the best assignment sooner


@loss
class PermutationInvariantLoss(nn.Module):
    """A loss under the best order of the estimates, one order per utterance.

    nussl's own version (ml/train/loss.py:246,289) takes the best order for each time-frequency bin
    separately: with L1, MSE or KL inside, it rewards estimates that swap sources from bin to bin.
    With SISDRLoss, which has no bins, both give the same.

    Args:
        loss_function: nn.Module that has `pairwise`, see `WaveformLoss`, or a `reduction`.
        threshold: utterances whose loss is at or below it are left out of the mean, as in the recipes
            of SepFormer (Subakan et al., ICASSP 2021) below -30 dB. None: all count.
    """

    DEFAULT_KEYS = {"estimates": "estimates", "source_magnitudes": "targets"}

    def __init__(self, loss_function: nn.Module, threshold: float | None = None):
        super().__init__()
        self.loss_function = loss_function
        self.loss_function.reduction = "none"
        self.threshold = threshold

    def forward(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        losses = best_losses(pairwise_losses(self.loss_function, estimates, targets))
        return mean_above(losses, self.threshold)


@loss
class CombinationInvariantLoss(PermutationInvariantLoss):
    """The same under nussl's other name; of more estimates than targets, only the best count."""


@loss
class ReorderedLoss(nn.Module):
    """A loss of the estimates in the order that another loss finds best.

        'ReorderedLoss': {'args': ['SISDRLoss', 'MultiResolutionSTFTLoss']}

    Args:
        order_by: the loss that chooses, as in PermutationInvariantLoss.
        loss_function: nn.Module of estimates and targets; any, as it sees one order only.
    """

    DEFAULT_KEYS = PermutationInvariantLoss.DEFAULT_KEYS

    def __init__(self, order_by: nn.Module, loss_function: nn.Module):
        super().__init__()
        self.order_by = order_by
        self.order_by.reduction = "none"
        self.loss_function = loss_function

    def forward(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            order = assignment(pairwise_losses(self.order_by, estimates, targets))
        return self.loss_function(reordered(estimates, order), targets)


def reordered(estimates: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Estimates `(batch, ..., source)` of `(batch, ..., estimate)`, by an `order` `(batch, source)`."""
    index = order.reshape(len(order), *[1] * (estimates.ndim - 2), -1)
    return estimates.gather(-1, index.expand(*estimates.shape[:-1], -1))


def mean_above(losses: torch.Tensor, threshold: float | None) -> torch.Tensor:
    """Mean of the losses `(batch,)` above a threshold; the threshold itself where there are none."""
    if threshold is None:
        return losses.mean()
    counts = ~(losses <= threshold)  # what isn't finite stays so
    mean = losses.where(counts, 0.0).sum() / counts.sum().clamp_min(1)
    return mean.where(counts.any(), threshold)


def best_assignment(
    loss_function: nn.Module, estimates: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Mean over the batch of the loss under each utterance's best assignment.

    Args:
        loss_function: nn.Module that has `pairwise`, or returns one loss per element or source.
        estimates: tensor `(batch, ..., estimate)`, at least as many estimates as targets.
        targets: tensor `(batch, ..., source)`.
    """
    return best_losses(pairwise_losses(loss_function, estimates, targets)).mean()


def best_losses(losses: torch.Tensor) -> torch.Tensor:
    """Mean loss of each utterance, `(batch,)`, of losses `(batch, estimate, source)`."""
    chosen = assignment(losses.detach())
    return losses.gather(1, chosen.unsqueeze(1)).mean(dim=(1, 2))


def pairwise_losses(
    loss_function: nn.Module, estimates: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Losses `(batch, estimate, source)` of each estimate with each source; arguments as above."""
    check_shapes(estimates, targets)
    if hasattr(loss_function, "pairwise"):
        return loss_function.pairwise(estimates, targets)
    num_estimates, num_targets = estimates.shape[-1], targets.shape[-1]
    estimates = estimates.flatten(1, -2).repeat_interleave(num_targets, dim=-1)
    targets = targets.flatten(1, -2).repeat(1, 1, num_estimates)
    losses = loss_function(estimates, targets)
    losses = losses.reshape(len(losses), -1, num_estimates, num_targets)
    return losses.mean(dim=1)


def assignment(losses: torch.Tensor) -> torch.Tensor:
    """Which estimate each source gets, `(batch, source)`, so that the sum of losses is least.

    Up to three estimates all orders are tried, on the device; with more, SciPy's Hungarian method
    decides on the CPU (Dovrat et al., "Many-speakers single channel speech separation with optimal
    permutation training", Interspeech 2021).

    Args:
        losses: tensor `(batch, estimate, source)`, without gradients.
    """
    _, num_estimates, num_sources = losses.shape
    if num_estimates > MOST_TRIED:
        costs = losses.mT.nan_to_num().double().cpu().numpy()  # what isn't finite stays so below
        found = [linear_sum_assignment(one)[1] for one in costs]
        return torch.as_tensor(np.array(found), device=losses.device)
    orders = all_orders(num_estimates, num_sources, losses.device)
    sums = losses[:, orders, torch.arange(num_sources, device=losses.device)].sum(dim=-1)
    return orders[sums.argmin(dim=-1)]


@functools.cache  # as the host would wait for the copy
@torch.inference_mode(False)
def all_orders(num_estimates: int, num_sources: int, device: torch.device) -> torch.Tensor:
    """Every choice of an estimate for each source, `(order, source)`."""
    return torch.tensor(list(permutations(range(num_estimates), num_sources)), device=device)
