"""Made-up tables of scores."""

import numpy as np
import pandas as pd

COLUMN = "SI-SDR"


def scores(num_tracks=30, seed=0, shift=0.0, sources=("s1", "s2"), noise=1.0):
    """A score table: tracks are hard or easy alike for all runs, noise is the run's own."""
    shape = num_tracks, len(sources)
    values = np.random.default_rng(99).normal(5, 4, shape) + shift
    values += np.random.default_rng(seed).normal(0, noise, shape)
    names = [(f"track{i:02d}", source) for i in range(num_tracks) for source in sources]
    table = pd.DataFrame(names, columns=["track", "source"])
    return table.assign(**{COLUMN: values.ravel(), "MIX-SI-SDR": 0.0})
