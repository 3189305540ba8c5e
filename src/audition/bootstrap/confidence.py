"""How far a separation can be trusted, told from its features alone."""

import copy
from dataclasses import replace

import numpy as np
import nussl

from audition.errors import ConfigError
from audition.identity import describe
from audition.separators.base import Separation, Separator

MEASURES = (
    "silhouette",
    "posterior",
    "loudness",
    "dpcl_classic",
    "jensen_shannon",
    "whitened_kmeans",
)
LOUD_PERCENTILE = 95  # nussl's own default
SHORTEST_SECONDS = 0.4  # one block of BS.1770's loudness


def measure_confidence(separation, measures, loud_percentile=LOUD_PERCENTILE):
    """nussl's confidence measures of one separation, by how clearly its features form clusters.

    Each is cut to 0 to 1, higher is better; `loudness` is the share of the smallest cluster, so at
    most 1 / num_sources, and `jensen_shannon` is in nats, so at most 0.69. `dpcl_classic` and
    `whitened_kmeans` are made for unit embeddings and say little of masks. Where all features are
    the same there are no clusters, and each measure is NaN. Where silhouette and posterior are both
    asked for, "confidence" is their product, by which the bootstrapping paper selects.

    Random draws come from NumPy's global generator, which `separate_each` seeds.

    Args:
        separation: Separation with features; they form as many clusters as it has estimates.
        measures: of MEASURES.
        loud_percentile: only bins louder than this percentile count, 0 to 100.

    Returns:
        dict, name of the measure → float.
    """
    features = np.asarray(separation.features, dtype=float)  # binary masks are bool
    num_sources = len(separation.estimates)
    magnitude = np.abs(separation.mix.stft())
    loud = features[magnitude > np.percentile(magnitude, loud_percentile)]
    if len(loud) <= num_sources or np.ptp(loud, axis=0).max() == 0:
        values = dict.fromkeys(measures, float("nan"))
    else:
        values = {
            name: measure(name, magnitude, features, num_sources, loud_percentile)
            for name in measures
        }
    if {"silhouette", "posterior"} <= set(values):
        values["confidence"] = values["silhouette"] * values["posterior"]
    return values


def measure(name, magnitude, features, num_sources, loud_percentile):
    function = getattr(nussl.ml.confidence, f"{name}_confidence")
    value = function(
        None, features, num_sources, threshold=loud_percentile, representation=magnitude
    )
    return float(np.clip(value, 0, 1))


def loudness_lufs(signal):
    """Integrated loudness by BS.1770 in LUFS, as pyloudnorm measures it through nussl; -inf where a
    signal is silent or too short to tell."""
    if signal.signal_duration < SHORTEST_SECONDS:
        return float("-inf")
    with np.errstate(divide="ignore"):
        return float(signal.loudness())


def confidence_of(separation: Separation) -> float | None:
    """Silhouette times posterior, by which the bootstrapping paper selects; None without features."""
    if separation.features is None:
        return None
    measures = ("silhouette", "posterior")
    return measure_confidence(separation, measures)["confidence"]


class Teacher(Separator):
    """A separator whose estimates shall teach a network: measured, and none of silence.

    Args:
        separator: Separator; one that clusters or masks, where `measures` is not empty.
        measures: of MEASURES.
        quietest_lufs: mixtures below are not separated.
        loud_percentile: only bins louder than this percentile are measured.
    """

    def __init__(self, separator, measures, quietest_lufs, loud_percentile=LOUD_PERCENTILE):
        unknown = [name for name in measures if name not in MEASURES]
        if unknown:
            raise ConfigError(
                f"measures has {unknown[0]!r}: measures of confidence are {', '.join(MEASURES)}."
            )
        self.separator = separator
        self.measures = tuple(measures)
        self.quietest_lufs = quietest_lufs
        self.loud_percentile = loud_percentile

    def located(self, folder):
        located = copy.copy(self)
        located.separator = self.separator.located(folder)
        return located

    def check(self, data):
        self.separator.check(data)

    def passport(self):
        return {"class": "Teacher", "settings": describe(vars(self))}

    def on_device(self, mixes, device):
        return self.separator.on_device(mixes, device)

    def finish(self, mix, device_output, sources=None):
        loudness = loudness_lufs(mix)
        if loudness < self.quietest_lufs:
            return Separation([], loudness_lufs=loudness)
        separation = self.separator.separate(mix, device_output, sources)
        confidences = separation.confidences | self.measured(separation)
        return replace(separation, confidences=confidences, loudness_lufs=loudness)

    def measured(self, separation):
        if not self.measures:
            return {}
        if separation.features is None:
            raise ConfigError(
                f"{type(self.separator).__name__} has no features to measure a confidence on: bind "
                "measures = (), or choose a separator that clusters or masks."
            )
        return measure_confidence(separation, self.measures, self.loud_percentile)
