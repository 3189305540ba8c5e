"""Permutation invariance by soft assignments, whose cost grows with the square of the sources."""

import torch
from torch import nn

from audition.losses.base import loss
from audition.losses.permutation import PermutationInvariantLoss, best_losses, pairwise_losses


@loss
class SinkPITLoss(nn.Module):
    """A loss under a soft assignment of estimates to sources; the harder, the greater `beta` is.

    Tachibana, "Towards listening to 10 people simultaneously: An efficient permutation invariant
    training of audio source separation using Sinkhorn's algorithm", ICASSP 2021. In validation it is
    the loss of the best assignment. `add_sinkpit_schedule` raises beta from epoch to epoch.

    Args:
        loss_function: as in PermutationInvariantLoss; as many estimates as sources.
        beta: inverse temperature, per unit of the loss.
        num_iterations: of Sinkhorn's algorithm, normalisations of rows and of columns counted alike.
    """

    DEFAULT_KEYS = PermutationInvariantLoss.DEFAULT_KEYS

    def __init__(self, loss_function: nn.Module, beta: float = 10.0, num_iterations: int = 200):
        super().__init__()
        self.loss_function = loss_function
        self.loss_function.reduction = "none"
        self.num_iterations = num_iterations
        self.register_buffer("beta", torch.tensor(float(beta)))

    def forward(self, estimates: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        losses = pairwise_losses(self.loss_function, estimates, targets)
        if not self.training:
            return best_losses(losses).mean()
        return soft_losses(losses, self.beta, self.num_iterations).mean()


def soft_losses(losses: torch.Tensor, beta: torch.Tensor, num_iterations: int) -> torch.Tensor:
    """Mean loss of each utterance, `(batch,)`, of losses `(batch, estimate, source)`.

    The assignment's entropy, over beta, is part of it.
    """
    logs = -beta * losses
    for _ in range(num_iterations // 2):
        logs = logs.log_softmax(dim=2)
        logs = logs.log_softmax(dim=1)
    return ((losses + logs / beta) * logs.exp()).sum(dim=(1, 2)) / losses.shape[-1]
