"""Our networks beside their published implementations: the same weights, the same output."""

import re
from collections.abc import Iterable
from types import ModuleType

import pytest
import torch
from torch import nn

ATOL = 1e-5
INSTALL = "needs pip install --no-deps -r requirements-peers.txt"

Pattern = tuple[str, str]


def renamed(weights: dict[str, torch.Tensor], patterns: Iterable[Pattern]):
    """`weights` of a peer under our names: each pattern and its replacement in turn."""
    found = {}
    for name, value in weights.items():
        for pattern, replacement in patterns:
            name = re.sub(pattern, replacement, name)
        found[name] = value
    return found


def moved(network: nn.Module) -> nn.Module:
    """The network with noise on its weights: norms and PReLUs start alike, which hides a swap."""
    torch.manual_seed(0)
    for parameter in learned(network):
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network.eval()


def with_weights_of(theirs: nn.Module, ours: nn.Module, patterns: Iterable[Pattern]) -> nn.Module:
    """`ours`, with the weights of `theirs`; every one of them has a place."""
    ours.load_state_dict(renamed(theirs.state_dict(), patterns))
    return ours.eval()


def number(network: nn.Module) -> int:
    """How many parameters it has."""
    return sum(parameter.numel() for parameter in learned(network))


def learned(network: nn.Module) -> list[nn.Parameter]:
    """Its parameters, without the constants that some peers keep among them."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def peer(name: str) -> ModuleType:
    """A module of requirements-peers.txt; the test is skipped where its package is missing."""
    return pytest.importorskip(name, reason=INSTALL)
