"""A curriculum: shorter or more excerpts in the first epochs, `train.curriculum`."""

from typing import TYPE_CHECKING, Any

from audition.datasets.excerpts import Stage
from audition.errors import ConfigError

if TYPE_CHECKING:
    from audition.training.settings import Settings

NAMES = ("excerpt_seconds", "excerpt_frames", "batch_size")


def check(curriculum: dict[int, dict[str, Any]]) -> None:
    """Raises a ConfigError unless it maps epochs to settings that have a curriculum."""
    if not isinstance(curriculum, dict) or not all(
        type(epoch) is int and epoch >= 1 and isinstance(changes, dict)
        for epoch, changes in curriculum.items()
    ):
        raise ConfigError(
            f"train.curriculum = {curriculum!r} must map epochs, from 1, to what holds from then on, "
            "such as {1: {'excerpt_seconds': 1.0}, 21: {'excerpt_seconds': 4.0, 'batch_size': 4}}."
        )
    for epoch, changes in curriculum.items():
        for name, value in changes.items():
            if name not in NAMES:
                raise ConfigError(
                    f"train.curriculum[{epoch}] has no setting {name!r}; it may have {', '.join(NAMES)}."
                )
            if not value > 0 or (name != "excerpt_seconds" and type(value) is not int):
                raise ConfigError(
                    f"train.curriculum[{epoch}][{name!r}] = {value!r} must be above 0, and whole but "
                    "for seconds."
                )


def stages(settings: "Settings") -> tuple[Stage, ...]:
    """The Stages of a training, from its first iteration on; one that is always the same has one."""
    stage = Stage(0, 0, settings.excerpts_per_iteration, settings.excerpt_samples)
    found = [stage]
    for epoch, changes in sorted((settings.curriculum or {}).items()):
        first = (epoch - 1) * settings.iterations_per_epoch
        index = stage.first_index + (first - stage.first_iteration) * stage.batch_size
        size = changes.get("batch_size", 0) * settings.accumulate_batches or stage.batch_size
        stage = Stage(first, index, size, num_samples(settings, changes, stage.num_samples))
        found.append(stage)
    return tuple(found)


def num_samples(settings: "Settings", changes: dict[str, Any], before: int) -> int:
    """Length of an excerpt after these changes."""
    if "excerpt_frames" in changes:
        return settings.features.num_samples(changes["excerpt_frames"])
    if "excerpt_seconds" in changes:
        return round(changes["excerpt_seconds"] * settings.train_data.sample_rate)
    return before
