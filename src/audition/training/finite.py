"""Whether a step is finite: looked at once per iteration, before the optimizer changes the weights."""

import logging
import math

import torch

from audition.errors import ConfigError
from audition.training import black_box
from audition.training.state import Training

log = logging.getLogger(__name__)

GRADIENT = "the gradient"


class Before:
    """What a step changes besides the weights: taken before it, as it can't be told afterwards.

    Attributes:
        rng: states of the generators that dropout draws from.
        buffers: copies of the model's, such as running means, if steps may be left out.
    """

    def __init__(self, training: Training):
        self.rng = black_box.random_states(training.device)
        skips = training.skip_nonfinite > 0
        self.buffers = [one.clone() for one in training.model.buffers()] if skips else []

    @torch.no_grad()
    def restore_buffers(self, training: Training) -> None:
        for buffer, before in zip(training.model.buffers(), self.buffers, strict=True):
            buffer.copy_(before)


def gradient_norm(training: Training) -> torch.Tensor:
    """The norm of all gradients, a tenth as costly to know as whether each number is finite.

    In half precision it is 0: there the scaler leaves out the steps whose gradients overflow.
    """
    gradients = [one.grad for one in training.model.parameters() if one.grad is not None]
    if training.scaler.is_enabled() or not gradients:
        return torch.zeros((), device=training.device)
    return torch.nn.utils.get_total_norm(gradients)


def may_step(training: Training, values: dict[str, float], before: Before) -> bool:
    """Whether the optimizer may step; if not, `black_box/` holds what led to this.

    Args:
        values: the losses, and the gradient's norm under the name GRADIENT.

    Raises:
        ConfigError: it may not, and train.skip_nonfinite steps in a row were left out already.
    """
    wrong = [name for name, value in values.items() if not math.isfinite(value)]
    if not wrong:
        training.skipped_in_row = 0
        return True
    training.skipped_in_row += 1
    training.skipped_in_epoch += 1
    if training.skipped_in_row == 1:
        black_box.write(training, values, before.rng)
    if training.skipped_in_row > training.skip_nonfinite:
        raise diverged(training, wrong[0], values[wrong[0]])
    before.restore_buffers(training)
    log.warning(
        "%s became %s in iteration %d, which is left out; see %s",
        wrong[0],
        values[wrong[0]],
        training.trainer.state.iteration,
        training.run.black_box,
    )
    return False


def diverged(training: Training, name: str, value: float) -> ConfigError:
    in_row = training.skipped_in_row
    again = f", the last of {in_row} in a row" if in_row > 1 else ""
    where = "; replay names the item and the layer" if in_row else ""
    return ConfigError(
        f"{name} became {value} in iteration {training.trainer.state.iteration}{again}; lower the "
        "learning rate or clip gradients in train.handlers, then resume from the last checkpoint"
        f"{where}."
    )
