"""Handlers that look at gradients or clip them, between the backward pass and the optimizer."""

import gin
import numpy as np
import torch

from audition.errors import ConfigError
from audition.training.state import Training, TrainingEvents

LOWEST, HIGHEST, STEP = 1e-12, 1e12, 1.005  # range and relative width of the histogram's bins


@gin.register
def add_clip_gradient_handler(training: Training, clip_value: float) -> None:
    """Clips the gradient's norm at `clip_value`.

    Logs `grad_norm`, the norm before clipping.
    """

    def clip(engine):
        norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), clip_value)
        training.log_scalar("grad_norm", float(norm))

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, clip)


@gin.register
def add_autoclip_gradient_handler(training: Training, clip_percentile: float) -> None:
    """Clips the gradient's norm at a percentile of all norms so far, AutoClip.

    Seetharaman, Wichern, Pardo and Le Roux, "AutoClip: adaptive gradient clipping for source
    separation networks", MLSP 2020. Logs `grad_norm` and `grad_clip`.

    Args:
        clip_percentile: 0 to 100; 100 does not clip. The paper recommends 10.
    """
    if not 0 <= clip_percentile <= 100:
        raise ConfigError(
            f"add_autoclip_gradient_handler.clip_percentile = {clip_percentile} must lie "
            "between 0 and 100."
        )
    norms = NormHistogram()
    training.keep("autoclip", norms)

    def clip(engine):
        gradients = [p.grad for p in training.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        norms.add(float(norm))
        threshold = norms.percentile(clip_percentile)
        torch.nn.utils.clip_grads_with_norm_(training.model.parameters(), threshold, norm)
        training.log_scalar("grad_norm", float(norm))
        training.log_scalar("grad_clip", threshold)

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, clip)


class NormHistogram:
    """Percentiles of a stream of positive numbers, in bounded memory and without sorting.

    Bins of constant relative width (as in DDSketch: Masson, Rim and Lee, PVLDB 2019) bound the
    error of every percentile to half a bin, 0.25 %, whatever the distribution. That costs 88 kB
    and one cumulative sum a step, where a list of all norms grows for ever and is sorted each step.
    """

    def __init__(self):
        self.num_bins = int(np.ceil(np.log(HIGHEST / LOWEST) / np.log(STEP)))
        self.counts = np.zeros(self.num_bins, dtype=np.int64)

    def add(self, value):
        """Counts `value`; an infinite or NaN norm (an overflow in half precision) is left out."""
        if np.isfinite(value):
            position = np.log(max(value, LOWEST) / LOWEST) / np.log(STEP)
            self.counts[min(int(position), self.num_bins - 1)] += 1

    def percentile(self, percent):
        """The smallest value that at least `percent` % of all values do not exceed.

        Infinite, which clips nothing, where nothing was counted or `percent` is 100.
        """
        total = self.counts.sum()
        if total == 0 or percent >= 100:
            return float("inf")
        rank = max(int(np.ceil(total * percent / 100)), 1)
        position = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(LOWEST * STEP ** (position + 0.5))

    def state_dict(self):
        return {"counts": torch.from_numpy(self.counts.copy())}

    def load_state_dict(self, state):
        self.counts = state["counts"].numpy().copy()


@gin.register
def add_inspect_gradient(training: Training, every: int = 100) -> None:
    """Logs the gradient's norm of each parameter, `gradient/<parameter>`, every `every` iterations.

    Tells which layer's gradients vanish or explode.
    """

    def inspect(engine):
        if engine.state.iteration % every == 0:
            for name, parameter in training.model.named_parameters():
                if parameter.grad is not None:
                    training.log_scalar(f"gradient/{name}", float(parameter.grad.norm()))

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, inspect)
