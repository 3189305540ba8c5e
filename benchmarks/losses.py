"""Losses: permutation invariance against its pairwise losses alone, and those against one loss per pair.

Forward and backward of the negative SI-SDR, on 4 excerpts of 4 s at 8 kHz, one thread; CPU time of the
fastest of several turns, in which all sides take turns. The loss per pair is nussl's, on copies of all
signals, which `PermutationInvariantLoss` took until version 0.2.
"""

import time
from collections.abc import Callable

import torch

from audition.losses import SISDRLoss
from audition.losses.permutation import best_assignment, pairwise_losses

NUM_TURNS = 7
SHAPE = 4, 1, 32000  # batch, channel, sample


def cpu_seconds(function: Callable[[], torch.Tensor]) -> float:
    start = time.process_time()
    function().backward()
    return time.process_time() - start


def fastest(*functions: Callable[[], torch.Tensor]) -> list[float]:
    turns = [[cpu_seconds(one) for one in functions] for _ in range(NUM_TURNS)]
    return [min(times) for times in zip(*turns, strict=True)]


class PerPair(torch.nn.Module):
    """SISDRLoss without its losses of all pairs."""

    def __init__(self):
        super().__init__()
        self.loss = SISDRLoss(reduction="none")

    def forward(self, estimates, targets):
        return self.loss(estimates, targets)


def sides(num_sources: int) -> list[Callable[[], torch.Tensor]]:
    """The permutation-invariant loss, its pairwise losses, and the same by one loss per pair."""
    estimates = torch.randn(*SHAPE, num_sources, requires_grad=True)
    sources = torch.randn(*SHAPE, num_sources)
    return [
        lambda: best_assignment(SISDRLoss(), estimates, sources),
        lambda: pairwise_losses(SISDRLoss(), estimates, sources).mean(),
        lambda: pairwise_losses(PerPair(), estimates, sources).mean(),
    ]


def main():
    torch.set_num_threads(1)
    whole, pairs, _ = fastest(*sides(10))
    print(f"RATIO losses.permutation_of_10 {whole / pairs:.3f} (bar at most 1.5)")
    for num_sources in (2, 10):
        _, pairs, per_pair = fastest(*sides(num_sources))
        print(f"RATIO losses.pairs_of_{num_sources} {pairs / per_pair:.3f} (bar at most 0.6)")


if __name__ == "__main__":
    main()
