"""Whether a step is finite: an iteration later, as the host doesn't wait for the device to know."""

import logging
import math
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

from audition.errors import ConfigError
from audition.training import black_box
from audition.training.black_box import Moment
from audition.training.state import Training

log = logging.getLogger(__name__)

GRADIENT = "the gradient"


class Finiteness:
    """Looks at the losses and the gradients of each step.

    A step is done before it is known whether it was finite. So before each one, the weights are
    copied on the device; where the next iteration finds that a step wasn't finite, the training ends
    with that copy in `black_box/`. All is known before a checkpoint is written. If steps may be left
    out, the host waits for each of them.

    Attributes:
        weights: copies of what `black_box/` holds, as they were before the last step.
    """

    def __init__(self, training: Training):
        self.training = training
        self.weights = None

    def begin(self) -> None:
        """Notes what an iteration changes before its step: random states and, if steps may be left
        out, buffers such as running means."""
        training, at = self.training, self.training.trainer.state
        self.moment = Moment(
            at.iteration,
            at.epoch,
            training.losses.weights,
            black_box.random_states(training.device),
        )
        skips = training.skip_nonfinite > 0
        self.buffers = [one.clone() for one in training.model.buffers()] if skips else []

    def may_step(self, losses: dict[str, torch.Tensor]) -> bool:
        """Whether the optimizer may step: it may, unless this step is known to be left out.

        Raises:
            ConfigError: a step was not finite, and train.skip_nonfinite in a row were left out already.
        """
        training, moment = self.training, self.moment
        norms = gradient_norms(training.model)
        values = {**losses, GRADIENT: self.total(norms)}
        training.arrivals.deliver(before=moment.iteration)
        self.copy_weights()
        training.when_known(
            torch.stack([*values.values()]),
            lambda numbers: self.look(
                dict(zip(values, numbers.tolist(), strict=True)), moment, norms
            ),
        )
        if not training.skip_nonfinite:
            training.skipped_in_row = 0  # in a checkpoint of a training that left steps out
            return True
        training.arrivals.deliver()
        return not training.skipped_in_row

    def total(self, norms: dict[str, torch.Tensor]) -> torch.Tensor:
        """The norm of all gradients, a tenth as costly to know as whether each number is finite.

        In half precision it is 0: there the scaler leaves out the steps whose gradients overflow.
        """
        if self.training.scaler.is_enabled() or not norms:
            return torch.zeros((), device=self.training.device)
        return torch.stack([*norms.values()]).norm()

    def copy_weights(self) -> None:
        if self.weights is None:
            self.live = {
                "model": self.training.model.state_dict(),
                "loss_states": self.training.losses.state_dict(),
            }
            self.weights = tree_map(clone, self.live)
            self.copies, self.originals = tensors(self.weights), tensors(self.live)
        else:
            torch._foreach_copy_(self.copies, self.originals)

    def look(
        self, values: dict[str, float], moment: Moment, norms: dict[str, torch.Tensor]
    ) -> None:
        training = self.training
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if not wrong:
            training.skipped_in_row = 0
            return
        training.skipped_in_row += 1
        training.skipped_in_epoch += 1
        if training.skipped_in_row == 1:
            black_box.write(training, moment, self.weights, values, norms)
        if training.skipped_in_row > training.skip_nonfinite:
            raise diverged(training, wrong[0], values[wrong[0]], moment.iteration)
        self.restore_buffers()
        log.warning(
            "%s became %s in iteration %d, which is left out; see %s",
            wrong[0],
            values[wrong[0]],
            moment.iteration,
            training.run.black_box,
        )

    @torch.no_grad()
    def restore_buffers(self) -> None:
        for buffer, before in zip(self.training.model.buffers(), self.buffers, strict=True):
            buffer.copy_(before)


def gradient_norms(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Name of parameter → norm of its gradient, of those that have one."""
    named = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    norms = torch._foreach_norm([*named.values()]) if named else []
    return dict(zip(named, norms, strict=True))


def clone(thing: Any) -> Any:
    return thing.clone() if isinstance(thing, torch.Tensor) else thing


def tensors(tree: Any) -> list[torch.Tensor]:
    return [one for one in tree_leaves(tree) if isinstance(one, torch.Tensor)]


def diverged(training: Training, name: str, value: float, iteration: int) -> ConfigError:
    in_row = training.skipped_in_row
    again = f", the last of {in_row} in a row" if in_row > 1 else ""
    where = "; replay names the item and the layer" if in_row else ""
    return ConfigError(
        f"{name} became {value} in iteration {iteration}{again}; lower the "
        "learning rate or clip gradients in train.handlers, then resume from the last checkpoint"
        f"{where}."
    )
