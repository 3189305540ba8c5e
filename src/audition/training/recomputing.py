"""Less memory for a forward pass more: activations that are computed again on the way back.

Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", 2016.
"""

import contextlib

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from audition.errors import ConfigError

NAME = "blocks"  # the attribute that the networks of audition.models keep their repeated layers in


def recompute_blocks(network: nn.Module) -> None:
    """Lets each member of the network's `blocks` keep its input alone, while it is trained.

    Its weights have the same names, and its gradients and random numbers are the same.

    Raises:
        ConfigError: there are no blocks, or some that count what they hear.
    """
    blocks = outermost_blocks(network)
    if not blocks:
        raise ConfigError(
            f"train.recompute_blocks = True, but the network has no `{NAME}`; keep its repeated layers in "
            "a torch.nn.Sequential or ModuleList of this name, or bind False."
        )
    for block in blocks:
        if any(isinstance(part, _BatchNorm) for part in block.modules()):
            raise ConfigError(
                f"train.recompute_blocks = True, but {type(block).__name__} has batch normalisation, "
                "which would count each batch twice; bind False, or another normalisation."
            )
        block.forward = Recomputed(block.forward)


def outermost_blocks(network: nn.Module) -> list[nn.Module]:
    found = []
    for name, child in network.named_children():
        is_repeated = name == NAME and isinstance(child, nn.Sequential | nn.ModuleList)
        found += list(child) if is_repeated else outermost_blocks(child)
    return found


class Recomputed:
    """A forward method, whose inner activations are not kept."""

    def __init__(self, forward):
        self.forward = forward

    def __call__(self, *inputs, **named):
        if not torch.is_grad_enabled():
            return self.forward(*inputs, **named)
        return checkpoint(
            self.forward, *inputs, **named, use_reentrant=False, context_fn=same_contexts
        )


def same_contexts() -> tuple[contextlib.AbstractContextManager, ...]:
    """Of the first and the second computation; autocast is kept by torch, oneDNN's switch is not."""
    onednn = torch.backends.mkldnn.flags(
        enabled=torch.backends.mkldnn.enabled, allow_tf32=None, fp32_precision=None
    )
    return contextlib.nullcontext(), onednn
