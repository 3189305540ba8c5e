"""Learning without sources: estimates of a mixture of mixtures that add up to the mixtures in it.

Wisdom et al., "Unsupervised sound separation using mixture invariant training", NeurIPS 2020; least
squares: Wisdom et al., "Sparse, efficient, and semantic mixture invariant training: Taming in-the-wild
unsupervised sound separation", WASPAA 2021.
"""

import itertools

import torch
from torch import nn

from audition.errors import ConfigError
from audition.losses.base import loss, source_first
from audition.losses.waveform import Products, centred

SEARCHES = ("exhaustive", "least_squares")
MOST_TRIED = 2**16  # ways to share out the estimates
RIDGE = 1e-8  # of the estimates' mean energy, where they depend on each other


@loss
class MixITLoss(nn.Module):
    """A loss of the mixtures, to which the estimates are added up in the best way.

        train.remix = @MixturesOfMixtures()
        train.loss_dictionary = {'MixITLoss': {'args': [{'class': 'SNRLoss', 'kwargs': {'max_db': 30}}]}}

    Each estimate belongs to one of the mixtures, as a whole.

    Args:
        loss_function: a loss of waveforms.
        search: "exhaustive" tries all ways to share out the estimates, by the inner products of
            estimates and mixtures: of any number it takes one matrix product and no further pass over
            the samples. "least_squares" gives each estimate to the mixture that has most of it in the
            least-squares fit of estimates to mixtures, also of many estimates, and for any loss.
    """

    DEFAULT_KEYS = {"audio": "estimates", "mixtures": "mixtures"}

    def __init__(self, loss_function: nn.Module, search: str = "exhaustive"):
        super().__init__()
        if search not in SEARCHES:
            raise ConfigError(
                f"MixITLoss.search = {search!r} must be one of {', '.join(SEARCHES)}."
            )
        if search == "exhaustive" and not hasattr(loss_function, "of_products"):
            raise ConfigError(
                f"MixITLoss can't try all sums with {type(loss_function).__name__}: set its "
                "'kwargs': {'search': 'least_squares'}, or take SNRLoss, SISDRLoss or MSELoss."
            )
        self.loss_function = loss_function
        self.search = search

    def forward(self, estimates: torch.Tensor, mixtures: torch.Tensor) -> torch.Tensor:
        """Scalar.

        Args:
            estimates: `(batch, channel, sample, estimate)` of the mixtures' sum.
            mixtures: `(batch, mixture, channel, sample)`.
        """
        mixtures = mixtures.movedim(1, -1)
        owners = self.owners(estimates.detach(), mixtures)
        shares = nn.functional.one_hot(owners, mixtures.shape[-1]).to(estimates.dtype)
        return self.loss_function(estimates @ shares.unsqueeze(1), mixtures)

    def owners(self, estimates: torch.Tensor, mixtures: torch.Tensor) -> torch.Tensor:
        """Which mixture each estimate belongs to, `(batch, estimate)`."""
        zero_mean = getattr(self.loss_function, "zero_mean", False)
        e, m = (centred(source_first(one), zero_mean).flatten(2) for one in (estimates, mixtures))
        among, between = (
            e @ e.mT,
            e @ m.mT,
        )  # (batch, estimate, estimate), (batch, estimate, mixture)
        if self.search == "least_squares":
            return fitted(among, between)
        return self.tried(among, between, m.square().sum(-1), size=e.shape[-1])

    def tried(
        self, among: torch.Tensor, between: torch.Tensor, energies: torch.Tensor, size: int
    ) -> torch.Tensor:
        """The owners for which the sum of the mixtures' losses is least.

        Args:
            energies: of the mixtures, `(batch, mixture)`.
            size: how many numbers a signal has.
        """
        num_estimates, num_mixtures = between.shape[1:]
        subsets = all_subsets(num_estimates).to(among)
        found = Products(
            torch.einsum("am,bmn,an->ba", subsets, among, subsets).unsqueeze(-1),
            subsets @ between,
            energies.unsqueeze(1),
            size,
        )
        losses = self.loss_function.of_products(found)  # (batch, subset, mixture)
        ways = all_ways(num_estimates, num_mixtures).to(losses.device)
        numbers = 2 ** torch.arange(num_estimates, device=losses.device)
        sums = sum(
            losses[:, ((ways == mixture) * numbers).sum(-1), mixture]
            for mixture in range(num_mixtures)
        )
        return ways[sums.argmin(dim=-1)]


def all_subsets(num_estimates: int) -> torch.Tensor:
    """Ones where a subset has an estimate, `(subset, estimate)`; a subset's number in binary."""
    return torch.arange(2**num_estimates).unsqueeze(1) >> torch.arange(num_estimates) & 1


def all_ways(num_estimates: int, num_mixtures: int) -> torch.Tensor:
    """All owners of the estimates, `(way, estimate)`."""
    if num_mixtures**num_estimates > MOST_TRIED:
        raise ConfigError(
            f"MixITLoss would try {num_mixtures**num_estimates} ways to share out {num_estimates} "
            "estimates: set its 'kwargs': {'search': 'least_squares'}."
        )
    return torch.tensor(list(itertools.product(range(num_mixtures), repeat=num_estimates)))


def fitted(among: torch.Tensor, between: torch.Tensor) -> torch.Tensor:
    """Owners by the greatest weight in the least-squares fit, from inner products in float64."""
    ridge = RIDGE * among.diagonal(dim1=-2, dim2=-1).mean(-1) + torch.finfo(among.dtype).tiny
    identity = torch.eye(among.shape[-1], dtype=among.dtype, device=among.device)
    weights = torch.linalg.solve(among + ridge[:, None, None] * identity, between)
    return weights.argmax(dim=-1)
