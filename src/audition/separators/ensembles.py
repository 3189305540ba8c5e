"""Primitive separators that vote: their masks as features of each bin, clustered."""

import gin
import numpy as np
from nussl.separation.composite import EnsembleClustering

from audition.errors import ConfigError
from audition.separators.nussl_separators import NusslSeparator

NUM_SOURCES = 2  # background, foreground


@gin.register
class PrimitiveEnsemble(NusslSeparator):
    """Background and foreground out of the masks of several separators (nussl's EnsembleClustering).

    Each separator gives one mask, or some of its masks, as features of every bin; a feature of weight
    3 counts three times. The bins are clustered by soft k-means. With fixed centres, a bin is
    background as far as its features are near 0 and foreground as far as they are near 1, and the
    estimates are background, then foreground: give `returns` that pick each separator's foreground.
    That is also the order of nussl's primitives, [background, foreground], where HPSS gives
    [harmonic, percussive] and clusterings give any order.

    The paper's setting is musdb/exp/cues/primitive_clustering.gin.

    Args:
        separators: list of nussl's separators that make masks, or PredominantMelody.
        weights: list of int, one per separator, 1 or more.
        returns: list of lists, per separator the numbers of the masks that count.
        beta: hardness of the assignment; the higher, the more binary the masks.
        fixed_centres: False finds the centres in the loudest tenth of the bins; then the order of
            the estimates is not known.
        mask_type: "soft" or "binary".
    """

    def __init__(
        self, separators, weights, returns, beta=5.0, fixed_centres=True, mask_type="soft"
    ):
        check_lengths(separators, weights, returns)
        num_features = sum(w * len(r) for w, r in zip(weights, returns, strict=True))
        clusterer = {"fit_clusterer": False, "init": corners(num_features)} if fixed_centres else {}
        arguments = {
            "num_sources": NUM_SOURCES,
            "separators": list(separators),
            "weights": list(weights),
            "returns": [list(entry) for entry in returns],
            "beta": beta,
            "mask_type": mask_type,
            **clusterer,
        }
        super().__init__(EnsembleClustering, arguments)


def corners(num_features):
    """The fixed centres `(source, feature)`: all features 0, all features 1."""
    return np.stack([np.zeros(num_features), np.ones(num_features)])


def check_lengths(separators, weights, returns):
    for name, values in (("weights", weights), ("returns", returns)):
        if len(values) != len(separators):
            raise ConfigError(
                f"PrimitiveEnsemble.{name} has {len(values)} entries for {len(separators)} "
                "separators; give one per separator."
            )
    if any(not isinstance(weight, int) or weight < 1 for weight in weights):
        raise ConfigError(
            f"PrimitiveEnsemble.weights = {list(weights)}: weights are whole numbers from 1 on; take "
            "a separator that shall not count out of separators."
        )
