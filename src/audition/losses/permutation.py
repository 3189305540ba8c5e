"""One permutation of the sources per utterance (Kolbæk et al., TASLP 2017)."""

from itertools import combinations, permutations

import nussl
import torch


class PermutationInvariantLoss(nussl.ml.train.loss.PermutationInvariantLoss):
    """A loss under the best order of the estimates, one order per utterance.

    nussl's own (ml/train/loss.py:246,289) takes the best order of every time-frequency bin by itself:
    with L1, MSE or KL inside, it rewards estimates that swap sources from bin to bin. SISDRLoss, whose
    losses have no bins, gives the same with both.
    """

    def forward(self, estimates, targets):
        return best_assignment(self.loss_function, estimates, targets)


class CombinationInvariantLoss(nussl.ml.train.loss.CombinationInvariantLoss):
    """The same where there may be more estimates than targets: the best choice of estimates counts."""

    def forward(self, estimates, targets):
        return best_assignment(self.loss_function, estimates, targets)


def best_assignment(loss_function, estimates, targets):
    """Mean over the batch of the loss under each utterance's best assignment.

    Args:
        loss_function: nn.Module that gives one loss per element.
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
