"""One permutation of the sources per utterance (Kolbæk et al., TASLP 2017)."""

from itertools import permutations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import nn

MOST_TRIED = 3  # estimates; with more, the Hungarian method finds the best assignment sooner


class PermutationInvariantLoss(nn.Module):
    """A loss under the best order of the estimates, one order per utterance.

    nussl's own version (ml/train/loss.py:246,289) takes the best order for each time-frequency bin
    separately: with L1, MSE or KL inside, it rewards estimates that swap sources from bin to bin.
    With SISDRLoss, which has no bins, both give the same.

    Args:
        loss_function: nn.Module with a `reduction`, such as `nn.L1Loss()`.
    """

    DEFAULT_KEYS = {"estimates": "estimates", "source_magnitudes": "targets"}

    def __init__(self, loss_function: nn.Module):
        super().__init__()
        self.loss_function = loss_function
        self.loss_function.reduction = "none"

    def forward(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return best_assignment(self.loss_function, estimates, targets)


class CombinationInvariantLoss(PermutationInvariantLoss):
    """The same under nussl's other name; of more estimates than targets, only the best count."""


def best_assignment(
    loss_function: nn.Module, estimates: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Mean over the batch of the loss under each utterance's best assignment.

    Args:
        loss_function: nn.Module that returns one loss per element, or one per source.
        estimates: tensor `(batch, ..., estimate)`, at least as many estimates as targets.
        targets: tensor `(batch, ..., source)`.
    """
    losses = pairwise_losses(loss_function, estimates, targets)
    chosen = assignment(losses.detach())
    return losses.gather(1, chosen.unsqueeze(1)).mean()


def pairwise_losses(
    loss_function: nn.Module, estimates: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Losses `(batch, estimate, source)` of each estimate with each source; arguments as above."""
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
    orders = torch.tensor(
        list(permutations(range(num_estimates), num_sources)), device=losses.device
    )
    sums = losses[:, orders, torch.arange(num_sources, device=losses.device)].sum(dim=-1)
    return orders[sums.argmin(dim=-1)]
