"""An ensemble of primitive separators: clusters time-frequency bins by the separators' masks."""

from collections.abc import Sequence

import gin
import numpy as np
from nussl.separation.composite import EnsembleClustering

from audition.errors import ConfigError
from audition.separators.nussl_separators import NusslSeparator

NUM_SOURCES = 2  # background, foreground


@gin.register
class PrimitiveEnsemble(NusslSeparator):
    """Background and foreground from the masks of several separators (nussl's EnsembleClustering).

    Each separator contributes one or more of its masks as features of every bin; a feature of
    weight 3 counts three times. Soft k-means clusters the bins. With fixed centres, features near 0
    make a bin background and features near 1 make it foreground, and the estimates are background,
    then foreground: choose `returns` that pick each separator's foreground. nussl's primitives use
    the same order, [background, foreground], but HPSS gives [harmonic, percussive], and clusterings
    give no fixed order.

    musdb/exp/cues/primitive_clustering.gin has the paper's settings.

    Args:
        separators: nussl separators that make masks, or PredominantMelody.
        weights: one per separator, 1 or more.
        returns: for each separator, the numbers of the masks to use.
        beta: hardness of the assignment; the higher, the more binary the masks.
        fixed_centres: False finds the centres from the loudest tenth of the bins; the order of the
            estimates is then unknown.
        mask_type: "soft" or "binary".
    """

    def __init__(
        self,
        separators: Sequence[NusslSeparator],
        weights: Sequence[int],
        returns: Sequence[Sequence[int]],
        beta: float = 5.0,
        fixed_centres: bool = True,
        mask_type: str = "soft",
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


def corners(num_features: int) -> np.ndarray:
    """The fixed centres, `(source, feature)`: one with all features 0, one with all 1."""
    return np.stack([np.zeros(num_features), np.ones(num_features)])


def check_lengths(separators: Sequence, weights: Sequence, returns: Sequence) -> None:
    for name, values in (("weights", weights), ("returns", returns)):
        if len(values) != len(separators):
            raise ConfigError(
                f"PrimitiveEnsemble.{name} has {len(values)} entries for {len(separators)} "
                "separators; give one per separator."
            )
    if any(not isinstance(weight, int) or weight < 1 for weight in weights):
        raise ConfigError(
            f"PrimitiveEnsemble.weights = {list(weights)} must be whole numbers of at least 1; to "
            "leave a separator out, remove it from PrimitiveEnsemble.separators."
        )
