"""Transforms of a dataset's sources, applied before they are cut, cached and separated."""

from collections.abc import Callable
from dataclasses import dataclass

import gin
from nussl.datasets import transforms

from audition.errors import ConfigError

NOT_AUDIO = (
    transforms.Cache,
    transforms.GetAudio,
    transforms.GetExcerpt,
    transforms.IndexSources,
    transforms.LabelsToOneHot,
    transforms.MagnitudeSpectrumApproximation,
    transforms.MagnitudeWeights,
    transforms.PhaseSensitiveSpectrumApproximation,
    transforms.ToSeparationModel,
)


def check_keeps_audio(transform: Callable | None, name: str) -> None:
    """Refuses nussl's transforms to features: a dataset has to yield AudioSignals."""
    chain = transform.transforms if isinstance(transform, transforms.Compose) else [transform]
    wrong = [type(step).__name__ for step in chain if isinstance(step, NOT_AUDIO)]
    if wrong:
        raise ConfigError(
            f"{name}/build_dataset.dataset has the transform {', '.join(wrong)}; remove it, as "
            "features come from train.features (KeepSources replaces IndexSources, and "
            "LabelsToOneHot may stand in build_dataset.item_transforms)."
        )


@gin.register
@dataclass(frozen=True)
class KeepSources:
    """Keeps only the named sources, for instance to train on one source of a mix.

    Args:
        names: source names; `vocals` also keeps `vocals::0`, `vocals::1`, …
    """

    names: list

    def __call__(self, data: dict) -> dict:
        kept = {
            key: signal
            for key, signal in data["sources"].items()
            if key in self.names or key.split("::")[0] in self.names
        }
        if not kept:
            raise ConfigError(
                f"KeepSources.names = {self.names} matches none of the sources "
                f"{sorted(data['sources'])}; name one of these."
            )
        return {**data, "sources": kept}
