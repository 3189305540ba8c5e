"""Keeps several losses in proportion while their sizes drift."""

import gin
from ignite.engine import Events

from audition.errors import ConfigError


@gin.register
def add_auto_balance_loss(training, every, reference, ratios=None):
    """Sets the weights of the losses, so that weighted losses keep the ratios you ask for.

    Every `every` iterations each weight becomes the least-squares solution of
    `weight × loss ≈ ratio × reference weight × reference loss` over the iterations since the last
    time. Logs `weight/<loss>`.

    Args:
        every: iterations between two adjustments.
        reference: the loss whose weight stays.
        ratios: dict, loss → its share in relation to the reference's 1; None makes all equal.

    Raises:
        ConfigError: a loss that the loss dictionary doesn't have.
    """
    names = training.losses.names
    ratios = {**dict.fromkeys(names, 1.0), **(ratios or {})}
    unknown = sorted({reference, *ratios} - set(names))
    if unknown:
        raise ConfigError(
            f"add_auto_balance_loss names {unknown[0]!r}, which train.loss_dictionary doesn't "
            f"have; it has {', '.join(names)}."
        )
    balance = Balance(training.losses, ratios, reference)
    training.keep("auto_balance", balance)

    def adjust(engine):
        balance.add(engine.state.output)
        if engine.state.iteration % every == 0:
            balance.solve()
        for name, weight in training.losses.weights.items():
            training.log_scalar(f"weight/{name}", weight)

    training.trainer.add_event_handler(Events.ITERATION_COMPLETED, adjust)


class Balance:
    """Running sums from which the weights follow, and the weights themselves."""

    def __init__(self, losses, ratios, reference):
        self.losses = losses
        self.ratios = ratios
        self.reference = reference
        self.reset()

    def reset(self):
        self.cross = dict.fromkeys(self.ratios, 0.0)  # Σ |loss · reference loss|
        self.square = dict.fromkeys(self.ratios, 0.0)  # Σ loss²

    def add(self, output):
        for name in self.ratios:
            self.cross[name] += abs(output[name] * output[self.reference])
            self.square[name] += output[name] ** 2

    def solve(self):
        """Losses that were zero throughout, and those with weight 0, keep their weight."""
        weights = self.losses.weights
        unit = weights[self.reference] / self.ratios[self.reference]
        for name, ratio in self.ratios.items():
            if name != self.reference and weights[name] != 0 and self.square[name] > 0:
                weights[name] = ratio * unit * self.cross[name] / self.square[name]
        self.losses.weights = weights
        self.reset()

    def state_dict(self):
        return {"weights": self.losses.weights, "cross": self.cross, "square": self.square}

    def load_state_dict(self, state):
        self.losses.weights = state["weights"]
        self.cross, self.square = dict(state["cross"]), dict(state["square"])
