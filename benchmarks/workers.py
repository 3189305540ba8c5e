"""segment_and_separate with two workers against one: wall time of the whole command.

40 rendered songs of 10 s at 16 kHz, each one segment, separated by the paper's ensemble with
PredominantMelody in place of Melodia. Each turn starts a new pool, as a user's command would; the sides take turns,
and the fastest of each counts. Needs two cores that nobody else is using.
"""

import copy
import tempfile
import time
from pathlib import Path

import gin

from audition import configs, registry
from audition.commands.segment_and_separate import segment_and_separate
from audition.metrics import BSSEvalScale
from tests.support import music

NUM_SONGS, SECONDS = 40, 10.0
TURNS = 2
ENSEMBLE = "musdb/exp/cues/primitive_clustering.gin"


def paper_ensemble():
    registry.register()
    configs.load([ENSEMBLE], ("NUM_SOURCES = 2",))
    return copy.deepcopy(gin.query_parameter("SEPARATOR/macro.value"))


def seconds_of(corpus, separator, folder, num_workers):
    start = time.perf_counter()
    segment_and_separate(
        None,
        corpus,
        separator,
        folder,
        window_seconds=SECONDS,
        hop_seconds=SECONDS,
        metrics=(BSSEvalScale(),),
        num_workers=num_workers,
        device="cpu",
    )
    return time.perf_counter() - start


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        corpus, separator = (
            music.open_songs(music.render_mono(folder, NUM_SONGS, SECONDS)),
            paper_ensemble(),
        )
        best = {1: float("inf"), 2: float("inf")}
        for turn in range(TURNS):
            for count in best:
                out = folder / f"segments{turn}{count}"
                best[count] = min(best[count], seconds_of(corpus, separator, out, count))
    print(f"one worker {best[1]:.1f} s, two workers {best[2]:.1f} s")
    print(f"RATIO workers {best[1] / best[2]:.2f} (bar at least 1.7)")


if __name__ == "__main__":
    main()
