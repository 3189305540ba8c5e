"""Handlers that log or clip gradients, between the backward pass and the optimizer's step."""

import functools
import logging
import math

import gin
import numpy as np
import torch
from ignite.engine import Engine

from audition.errors import ConfigError
from audition.training.state import Training, TrainingEvents, only_watches

log = logging.getLogger(__name__)

LOWEST, HIGHEST, STEP = 1e-12, 1e12, 1.005  # range and relative width of the histogram's bins


@gin.register
def add_clip_gradient_handler(training: Training, clip_value: float) -> None:
    """Clips the gradient's norm at `clip_value`.

    Logs `grad_norm`, the norm before clipping.
    """

    def clip(engine):
        norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), clip_value)
        training.log_scalar("grad_norm", norm)

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, clip)


@gin.register
def add_autoclip_gradient_handler(training: Training, clip_percentile: float) -> None:
    """Clips the gradient's norm at a percentile of all norms so far (AutoClip).

    Seetharaman, Wichern, Pardo and Le Roux, "AutoClip: adaptive gradient clipping for source
    separation networks", MLSP 2020. As published, the percentile is interpolated between the two
    norms around it, from the first iteration on; here it is accurate to 0.25 %. Iterations in which
    no parameter has a gradient don't count. Logs `grad_norm` and `grad_clip`; warns when it clips
    to 0, because nothing is learned then.

    Args:
        clip_percentile: 0 to 100; 100 doesn't clip. The paper recommends 10.

    Raises:
        ConfigError: `clip_percentile` is not between 0 and 100.
    """
    if not 0 <= clip_percentile <= 100:
        raise ConfigError(
            f"add_autoclip_gradient_handler.clip_percentile = {clip_percentile} must lie "
            "between 0 and 100."
        )
    norms = NormHistogram(training.device)
    training.keep("autoclip", norms)
    training.trainer.add_event_handler(
        TrainingEvents.BACKWARD_COMPLETED, AutoClip(training, clip_percentile, norms)
    )


class AutoClip:
    """Adds each iteration's norm to the histogram, and clips to the percentile."""

    def __init__(self, training: Training, clip_percentile: float, norms: "NormHistogram"):
        self.training = training
        self.clip_percentile = clip_percentile
        self.norms = norms
        self.warned = False

    def __call__(self, engine: Engine) -> None:
        parameters = self.training.model.parameters()
        gradients = [p.grad for p in parameters if p.grad is not None]
        if not gradients:
            return
        norm = torch.nn.utils.get_total_norm(gradients)
        self.norms.add(norm)
        threshold = self.norms.percentile(self.clip_percentile)
        if self.clip_percentile < 100:
            clip_by(threshold, gradients, norm)
        self.training.log_scalar("grad_norm", norm)
        self.training.log_scalar("grad_clip", threshold)
        self.training.when_known(threshold, functools.partial(self.warn, engine.state.iteration))

    def warn(self, iteration: int, threshold: np.ndarray) -> None:
        if threshold > 0 or self.warned:
            return
        log.warning(
            "add_autoclip_gradient_handler clips all gradients to 0 in iteration %d: of those so "
            "far, more than clip_percentile = %g %% were 0, so nothing is learned; raise it.",
            iteration,
            self.clip_percentile,
        )
        self.warned = True


def clip_by(threshold: torch.Tensor, gradients: list[torch.Tensor], norm: torch.Tensor) -> None:
    """As `torch.nn.utils.clip_grads_with_norm_`, which would wait for a threshold on the device."""
    factor = (norm + 1e-6).reciprocal() * threshold.to(norm.dtype)
    torch._foreach_mul_(gradients, factor.clamp(max=1.0))


class NormHistogram:
    """Percentiles of a stream of positive numbers, in bounded memory and without sorting.

    Bins of constant relative width (as in DDSketch: Masson, Rim and Lee, PVLDB 2019) limit the
    error of every percentile to half a bin, 0.25 %, whatever the distribution. This takes 88 kB
    and one cumulative sum per step, on the device, so that nobody waits for a norm; a list of all
    norms would keep growing and be sorted each step.
    """

    def __init__(self, device: torch.device | str = "cpu"):
        num_bins = math.ceil(math.log(HIGHEST / LOWEST) / math.log(STEP))
        self.counts = torch.zeros(num_bins, dtype=torch.int64, device=device)
        middles = [middle(position) for position in range(num_bins)]
        self.middles = torch.tensor(middles, dtype=torch.float64, device=device)

    def add(self, value: torch.Tensor) -> None:
        """Counts a scalar, unless it is infinite or NaN (an overflow in half precision)."""
        is_finite = value.isfinite()
        ratio = value.double().where(is_finite, LOWEST).clamp_min(LOWEST) / LOWEST
        position = (ratio.log() / math.log(STEP)).long().clamp_max(len(self.counts) - 1)
        self.counts.index_add_(0, position.reshape(1), is_finite.long().reshape(1))

    def percentile(self, percent: float) -> torch.Tensor:
        """Like `numpy.percentile` of all values, which interpolates linearly between two of them.

        Infinite if nothing was counted. Values below LOWEST count as 0, those above HIGHEST as it.

        Returns:
            scalar in float64, on the device.
        """
        up_to = self.counts.cumsum(0)
        rank = (up_to[-1] - 1).double() * percent / 100
        ranks = torch.stack([rank.floor(), rank.ceil()]).long()  # of the two values around it
        positions = torch.searchsorted(up_to, ranks, right=True)
        below, above = self.middles[positions.clamp_max(len(self.counts) - 1)]
        share = rank - rank.floor()
        return ((1 - share) * below + share * above).where(up_to[-1] > 0, math.inf)

    def state_dict(self) -> dict:
        return {"counts": self.counts.to("cpu", copy=True)}

    def load_state_dict(self, state: dict) -> None:
        self.counts.copy_(state["counts"])


def middle(position: int) -> float:
    """The number that represents the values in a bin."""
    return float(LOWEST * STEP ** (position + 0.5)) if position else 0.0


@gin.register
@only_watches
def add_inspect_gradient(training: Training, every: int = 100) -> None:
    """Logs the norm of each parameter's gradient, `gradient/<parameter>`, every `every` iterations.

    It shows in which layer gradients vanish or explode.
    """

    def inspect(engine):
        if engine.state.iteration % every == 0:
            for name, parameter in training.model.named_parameters():
                if parameter.grad is not None:
                    training.log_scalar(f"gradient/{name}", parameter.grad.norm())

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, inspect)
