"""New mixtures of a batch's own sources, made where the network is."""

import gin
import numpy as np
import torch

from audition.errors import ConfigError


@gin.register
class RemixStems:
    """Gives each source of a batch a gain, and some examples the sources of other examples.

        train.remix = @RemixStems()

    Stems come from the waveform cache at its speed, and every iteration sees new mixtures of them.
    What an iteration draws depends on `(seed, iteration)` only, on every device, so that a resumed
    training draws what an uninterrupted one does. In an incoherent example no two sources are of
    one example, as long as a batch has as many examples as sources. What a mix holds besides its
    sources, such as noise, stays as it is.

    Args:
        incoherent_fraction: probability that an example is incoherent, 0 to 1.
        min_gain_db, max_gain_db: a source's gain is drawn between them.
        seed: int.
    """

    def __init__(self, incoherent_fraction, min_gain_db, max_gain_db, seed):
        if not 0 <= incoherent_fraction <= 1:
            raise ConfigError(
                f"RemixStems.incoherent_fraction = {incoherent_fraction} must be from 0 to 1."
            )
        if min_gain_db > max_gain_db:
            raise ConfigError(
                f"RemixStems.min_gain_db = {min_gain_db} is above max_gain_db = {max_gain_db}: "
                "exchange them."
            )
        self.incoherent_fraction = incoherent_fraction
        self.min_gain_db = min_gain_db
        self.max_gain_db = max_gain_db
        self.seed = seed

    def __call__(self, waveforms, iteration):
        """dict of `mix` `(batch, channel, sample)` and `sources` `(batch, source, channel, sample)`,
        mixed anew; the one that is given stays as it is."""
        sources = waveforms["sources"]
        examples, gains = self.draw(*sources.shape[:2], iteration)
        examples, gains = (torch.from_numpy(x).to(sources.device) for x in (examples, gains))
        remixed = sources[examples, torch.arange(sources.shape[1], device=sources.device)]
        remixed *= gains[..., None, None]
        mix = waveforms["mix"] + remixed.sum(dim=1) - sources.sum(dim=1)
        return {**waveforms, "mix": mix, "sources": remixed}

    def draw(self, batch_size, num_sources, iteration):
        """Which example each source is of, and its gain, both `(batch, source)`."""
        random = np.random.default_rng([self.seed, iteration])
        shifts = random.permutation(batch_size)[np.arange(num_sources) % batch_size]
        is_incoherent = random.random((batch_size, 1)) < self.incoherent_fraction
        examples = (np.arange(batch_size)[:, None] + is_incoherent * shifts) % batch_size
        size = batch_size, num_sources
        gains_db = random.uniform(self.min_gain_db, self.max_gain_db, size)
        return examples, (10 ** (gains_db / 20)).astype(np.float32)
