"""What may happen to a dataset's sources before they are cut, cached and separated."""

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


def check_keeps_audio(transform, name):
    """A corpus hands out AudioSignals: nussl's transforms to features have no place in it."""
    chain = transform.transforms if isinstance(transform, transforms.Compose) else [transform]
    wrong = [type(step).__name__ for step in chain if isinstance(step, NOT_AUDIO)]
    if wrong:
        raise ConfigError(
            f"{name}/build_dataset.dataset has the transform {', '.join(wrong)}; take it out, "
            "features come from train.features (KeepSources does the work of IndexSources)."
        )


@gin.register
@dataclass(frozen=True)
class KeepSources:
    """Leaves out all sources but those named, to train on one source of a mix.

    Args:
        names: list of source names; `vocals` also means `vocals::0`, `vocals::1`, …
    """

    names: list

    def __call__(self, data):
        kept = {
            key: signal
            for key, signal in data["sources"].items()
            if key in self.names or key.split("::")[0] in self.names
        }
        if not kept:
            raise ConfigError(
                f"KeepSources.names = {self.names} fits none of the sources "
                f"{sorted(data['sources'])}."
            )
        return {**data, "sources": kept}
