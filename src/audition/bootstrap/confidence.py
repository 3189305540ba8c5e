"""Estimates from its features alone how far a separation can be trusted."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import nussl
import pandas as pd
import torch

from audition.datasets.split import Split
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
CONFIDENCE = "confidence"
LOUD_PERCENTILE = 95  # nussl's own default
SHORTEST_SECONDS = 0.4  # one block of BS.1770's loudness


def measure_confidence(
    separation: Separation,
    measures: Sequence[str],
    loud_percentile: float = LOUD_PERCENTILE,
    on: str | None = None,
) -> dict[str, float]:
    """nussl's confidence measures of a separation, by how clearly its features form clusters.

    All are clipped to 0 to 1; higher is better. `loudness` is the share of the smallest cluster, so
    at most 1 / num_sources; `jensen_shannon` is in nats, so at most 0.69. `dpcl_classic` and
    `whitened_kmeans` are made for unit embeddings and mean little for masks. If all features are
    the same there are no clusters, and every measure is NaN. If silhouette and posterior are both
    requested, "confidence" is their product, which the bootstrapping paper selects by.

    Random draws come from NumPy's global generator, which `separate_each` seeds.

    Args:
        separation: Separation with features, which form as many clusters as it has estimates.
        measures: names from MEASURES.
        loud_percentile: only bins louder than this percentile count, 0 to 100.
        on: name of the features to measure on; None for the first.

    Returns:
        dict, name of the measure → float.
    """
    features = separation.features[on or next(iter(separation.features))]
    features = np.asarray(features, dtype=float)  # binary masks are bool
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
        values[CONFIDENCE] = values["silhouette"] * values["posterior"]
    return values


def measure(
    name: str, magnitude: np.ndarray, features: np.ndarray, num_sources: int, loud_percentile: float
) -> float:
    function = getattr(nussl.ml.confidence, f"{name}_confidence")
    value = function(
        None, features, num_sources, threshold=loud_percentile, representation=magnitude
    )
    return float(np.clip(value, 0, 1))


def loudness_lufs(signal: nussl.AudioSignal) -> float:
    """Integrated loudness by BS.1770 in LUFS, as nussl measures it with pyloudnorm; -inf if the
    signal is silent or too short."""
    if signal.signal_duration < SHORTEST_SECONDS:
        return float("-inf")
    with np.errstate(divide="ignore"):
        return float(signal.loudness())


def confidence_of(separation: Separation) -> float | None:
    """Silhouette × posterior, which the bootstrapping paper selects by; None without features."""
    if not separation.features:
        return None
    measures = ("silhouette", "posterior")
    return measure_confidence(separation, measures)[CONFIDENCE]


def confidence_columns(table: pd.DataFrame) -> list[str]:
    """Columns of a `segment_table` that hold confidences.

    If the segments were measured on several features, only those that name one, such as
    "confidence (mask)": the plain columns repeat the first.
    """
    plain = (CONFIDENCE, *MEASURES)
    named = [name for name in table if name.endswith(")") and name.partition(" (")[0] in plain]
    return named or [name for name in plain if name in table]


class Teacher(Separator):
    """A separator whose estimates will train a network: adds confidences, and skips silence.

    Args:
        separator: Separator; one that clusters or masks, unless `measures` is empty.
        measures: names from MEASURES.
        quietest_lufs: mixtures below this loudness are not separated.
        loud_percentile: only bins louder than this percentile are measured.
        confidence_on: name of the features to measure on, or a list of several; None for the
            separator's choice. See `segment_and_separate`.
    """

    def __init__(
        self,
        separator: Separator,
        measures: Sequence[str],
        quietest_lufs: float,
        loud_percentile: float = LOUD_PERCENTILE,
        confidence_on: str | Sequence[str] | None = None,
    ):
        unknown = [name for name in measures if name not in MEASURES]
        if unknown:
            raise ConfigError(f"measures has {unknown[0]!r}: choose from {', '.join(MEASURES)}.")
        self.separator = separator
        self.measures = tuple(measures)
        self.quietest_lufs = quietest_lufs
        self.loud_percentile = loud_percentile
        self.confidence_on = names_in(confidence_on)

    def located(self, folder: Path) -> Self:
        located = copy.copy(self)
        located.separator = self.separator.located(folder)
        return located

    def check(self, data: Split) -> None:
        """Checks the separator, and settles which of its features are measured."""
        self.separator.check(data)
        if self.measures:
            self.separator = self.separator.with_features(self.confidence_on)

    def passport(self) -> dict:
        """Includes the features measured on only if version 0.1, without a choice, used others."""
        settings = {name: value for name, value in vars(self).items() if name != "confidence_on"}
        measured_on = self.confidence_on or self.separator.feature_keys
        if self.measures and measured_on != self.separator.own_features:
            settings["confidence_on"] = measured_on
        return {"class": "Teacher", "settings": describe(settings)}

    def parts(self) -> list[Any]:
        return [*super().parts(), *self.separator.parts()]

    def on_device(self, mixes: list[nussl.AudioSignal], device: torch.device) -> list:
        return self.separator.on_device(mixes, device)

    def finish(
        self, mix: nussl.AudioSignal, device_output: Any, sources: Mapping | None = None
    ) -> Separation:
        loudness = loudness_lufs(mix)
        if loudness < self.quietest_lufs:
            return Separation([], loudness_lufs=loudness)
        separation = self.separator.separate(mix, device_output, sources)
        confidences = separation.confidences | self.measured(separation)
        return replace(separation, confidences=confidences, loudness_lufs=loudness)

    def measured(self, separation: Separation) -> dict[str, float]:
        """dict, name → float; with several features, those of the first, then those of each as
        `<name> (<features>)`."""
        if not self.measures:
            return {}
        names = self.confidence_on or list(separation.features)[:1]
        self.check_has(separation, names)
        state, each = np.random.get_state(), {}
        for name in names:
            np.random.set_state(state)  # the same numbers, whatever else is measured
            each[name] = measure_confidence(separation, self.measures, self.loud_percentile, name)
        named = {f"{key} ({on})": value for on in names for key, value in each[on].items()}
        return each[names[0]] | (named if len(names) > 1 else {})

    def check_has(self, separation: Separation, names: Sequence[str]) -> None:
        who, given = type(self.separator).__name__, ", ".join(separation.features)
        if not given:
            raise ConfigError(
                f"{who} has no features to measure a confidence on: bind "
                "measures = (), or choose a separator that clusters or masks."
            )
        for name in names:
            if name not in separation.features:
                raise ConfigError(
                    f"segment_and_separate.confidence_on has {name!r}, and {who} gives {given}: "
                    "choose from these."
                )


def names_in(confidence_on: str | Sequence[str] | None) -> tuple[str, ...]:
    """A setting that is one name, several or None, as a tuple."""
    return (confidence_on,) if isinstance(confidence_on, str) else tuple(confidence_on or ())
