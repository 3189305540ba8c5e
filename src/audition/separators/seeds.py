"""The random generators that separators draw from, at a seed of the track's own."""

import contextlib

import numpy as np
import torch


@contextlib.contextmanager
def seeded(seed):
    """nussl's clusterers and factorizations draw from NumPy's global generator."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(state)
