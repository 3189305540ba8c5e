"""Builds the optimizer that a .gin file names."""

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import LBFGS, Optimizer, SparseAdam

from audition.errors import ConfigError

UNFIT = {
    LBFGS: "computes the loss several times a step, and train computes it once",
    SparseAdam: "takes sparse gradients only, and these networks have dense ones",
}


def make_optimizer(
    reference: Callable[[Iterable], Optimizer], parameters: Iterable[nn.Parameter]
) -> Optimizer:
    """`reference(parameters)`.

    Raises:
        ConfigError: an optimizer that can't train these parameters.
    """
    try:
        optimizer = reference(parameters)
    except ValueError as error:  # torch raises it for settings and parameters it doesn't accept
        reason = str(error).rstrip(".")
        raise ConfigError(f"train.optimizer can't be built ({reason}); bind another.") from error
    for unfit, reason in UNFIT.items():
        if isinstance(optimizer, unfit):
            raise ConfigError(f"train.optimizer = @{unfit.__name__} {reason}; bind another.")
    return optimizer
