"""New mixtures of what is in a batch, made on the network's device."""

import gin
import numpy as np
import torch

from audition.device import copied
from audition.errors import ConfigError


@gin.register
class RemixStems:
    """Gives every source in a batch a random gain, and swaps sources between some of the examples.

        train.remix = @RemixStems()

    Stems are read from the waveform cache at full speed, yet every iteration sees new mixtures of
    them. The draws depend only on `(seed, iteration)`, on any device, so a resumed training draws
    what an uninterrupted one would. In an incoherent example no two sources come from the same
    example, as long as a batch has at least as many examples as sources. Anything else in a mix,
    such as noise, stays as it is.

    Args:
        incoherent_fraction: probability that an example is incoherent, 0 to 1.
        min_gain_db, max_gain_db: range of a source's gain.
        seed: int.
    """

    def __init__(
        self, incoherent_fraction: float, min_gain_db: float, max_gain_db: float, seed: int
    ):
        if not 0 <= incoherent_fraction <= 1:
            raise ConfigError(
                f"RemixStems.incoherent_fraction = {incoherent_fraction} must be from 0 to 1."
            )
        if min_gain_db > max_gain_db:
            raise ConfigError(
                f"RemixStems.min_gain_db = {min_gain_db} is above max_gain_db = {max_gain_db}: "
                "swap them."
            )
        self.incoherent_fraction = incoherent_fraction
        self.min_gain_db = min_gain_db
        self.max_gain_db = max_gain_db
        self.seed = seed

    def __call__(
        self, waveforms: dict[str, torch.Tensor], iteration: int
    ) -> dict[str, torch.Tensor]:
        """A copy of `waveforms` with new mixtures; `waveforms` itself is not changed.

        Args:
            waveforms: dict of `mix` `(batch, channel, sample)` and `sources`
                `(batch, source, channel, sample)`.
            iteration: number of the training iteration.
        """
        sources = waveforms["sources"]
        examples, gains = self.draw(*sources.shape[:2], iteration)
        examples, gains = (copied(x, sources.device) for x in (examples, gains))
        remixed = sources[examples, torch.arange(sources.shape[1], device=sources.device)]
        remixed *= gains[..., None, None]
        mix = waveforms["mix"] + remixed.sum(dim=1) - sources.sum(dim=1)
        return {**waveforms, "mix": mix, "sources": remixed}

    def draw(
        self, batch_size: int, num_sources: int, iteration: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The example that each source is taken from, and its gain, both `(batch, source)`."""
        random = np.random.default_rng([self.seed, iteration])
        shifts = random.permutation(batch_size)[np.arange(num_sources) % batch_size]
        is_incoherent = random.random((batch_size, 1)) < self.incoherent_fraction
        examples = (np.arange(batch_size)[:, None] + is_incoherent * shifts) % batch_size
        size = batch_size, num_sources
        gains_db = random.uniform(self.min_gain_db, self.max_gain_db, size)
        return examples, (10 ** (gains_db / 20)).astype(np.float32)


@gin.register
class MixturesOfMixtures:
    """Adds to the mixture of each example that of another one in its batch, for `MixITLoss`.

        train.remix = @MixturesOfMixtures()

    The batch keeps its size, and every mixture is in two examples. The pairs depend on
    `(seed, iteration)` only. The validation is not remixed, so it needs a loss of its own.

    Args:
        seed: int.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def __call__(
        self, waveforms: dict[str, torch.Tensor], iteration: int
    ) -> dict[str, torch.Tensor]:
        """A copy of `waveforms` with the sums.

        Args:
            waveforms: dict of `mix` `(batch, channel, sample)` and `sources`
                `(batch, source, channel, sample)`.
            iteration: number of the training iteration.

        Returns:
            dict of the sum `mix`, the two in it, `mixtures` `(batch, mixture, channel, sample)`, and
            the `sources` of both.
        """
        mix, sources = waveforms["mix"], waveforms["sources"]
        others = copied(self.draw(len(mix), iteration), mix.device)
        mixtures = torch.stack([mix, mix[others]], dim=1)
        sources = torch.cat([sources, sources[others]], dim=1)
        return {**waveforms, "mix": mixtures.sum(dim=1), "mixtures": mixtures, "sources": sources}

    def draw(self, batch_size: int, iteration: int) -> np.ndarray:
        """Which example is added to each one, never itself, `(batch,)`."""
        if batch_size < 2:
            raise ConfigError(
                "MixturesOfMixtures has nothing to add in a batch of one: bind a train.batch_size of "
                "at least 2."
            )
        circle = np.random.default_rng([self.seed, iteration]).permutation(batch_size)
        others = np.empty_like(circle)
        others[circle] = np.roll(circle, 1)
        return others
