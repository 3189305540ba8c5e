"""One permutation of the sources per utterance (Kolbæk et al., TASLP 2017)."""

from itertools import combinations, permutations

import torch
from torch import nn


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
        loss_function: nn.Module that returns one loss per element.
        estimates: tensor `(batch, ..., estimate)`, at least as many estimates as targets.
        targets: tensor `(batch, ..., source)`.
    """
    num_batch, num_estimates, num_targets = len(targets), estimates.shape[-1], targets.shape[-1]
    estimates = estimates.reshape(num_batch, -1, num_estimates)
    targets = targets.reshape(num_batch, -1, num_targets)
    losses = [
        loss_function(estimates[..., chosen], targets[..., order])
        .reshape(num_batch, -1)
        .mean(dim=-1)
        for chosen in map(list, combinations(range(num_estimates), num_targets))
        for order in map(list, permutations(range(num_targets)))
    ]
    return torch.stack(losses).amin(dim=0).mean()
