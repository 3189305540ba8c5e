"""A user's own transform and losses, in a file that a .gin file imports: one item gives no finite number."""

import gin
import numpy as np
import torch
from torch import nn

from audition.losses import loss


@gin.register
class Poisoned:
    """Adds 1 for the items whose file's name has `name` in it, 0 for all others."""

    def __init__(self, name):
        self.name = name

    def __call__(self, item):
        poisoned = self.name in str(item["mix"].path_to_input_file)
        return {**item, "poisoned": np.float32(poisoned)}


class OfMask(nn.Module):
    DEFAULT_KEYS = {"mask": "mask", "poisoned": "poisoned"}


@loss
class RootLoss(OfMask):
    """Finite, but the derivative of a root at 0 is not."""

    def forward(self, mask, poisoned):
        return torch.sqrt((1 - poisoned) * mask.flatten(1).mean(1) ** 2).mean()


@loss
class LogLoss(OfMask):
    """The logarithm of 0."""

    def forward(self, mask, poisoned):
        return torch.log((1 - poisoned) * mask.flatten(1).mean(1)).mean()
