"""Whether a network that is about to be trained can be evaluated, tried on a few seconds."""

import logging
from collections.abc import Callable
from typing import Any

from audition.device import choose_device
from audition.errors import ConfigError
from audition.separators import pieces
from audition.separators.base import Separator
from audition.separators.loop import Track, finish
from audition.separators.watched import Watched

log = logging.getLogger(__name__)

SECONDS = 4.0


def rehearse(
    separator: Separator | None, data: Any, last_step: Callable[[Track, Any], Any], device: str
) -> None:
    """Separates the middle of the first track and hands it to `last_step`; None separates nothing.

    What isn't a mistake in the settings is only a warning: it may be that the network has not learnt
    anything yet.

    Args:
        data: Split.

    Raises:
        ConfigError: a mistake in the settings.
    """
    if separator is None:
        return
    track = middle(data)
    try:
        (output,) = separator.on_device([track.mix], choose_device(device))
        last_step(track, finish(separator, track.mix, output, track.sources))
    except ConfigError:
        raise
    except Exception as error:
        log.warning(
            "evaluate failed on %g seconds of %s with the network as it is before this training "
            "(%s: %s); look whether it will with a trained one.",
            track.mix.signal_duration,
            track.name,
            type(error).__name__,
            error,
        )


def middle(data: Any) -> Track:
    """The middle SECONDS of the first track; all of a shorter one."""
    item = data[0]
    length = item["mix"].signal_length
    size = min(length, round(SECONDS * data.sample_rate))
    bounds = (length - size) // 2, (length + size) // 2
    sources = Watched({name: pieces.cut(one, *bounds) for name, one in item["sources"].items()})
    return Track(data.names[0], pieces.cut(item["mix"], *bounds), sources, item["metadata"])
