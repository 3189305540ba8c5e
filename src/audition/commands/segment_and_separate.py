"""Cut long audio into segments and separate them, for a network to learn from."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin
import numpy as np
import nussl

from audition import configs
from audition.audio.files import write_wav
from audition.bootstrap.confidence import LOUD_PERCENTILE, Teacher
from audition.bootstrap.segments import COMPLETE, RESULTS, Segments
from audition.code import code_of
from audition.datasets.identity import describe_content
from audition.datasets.split import Split
from audition.files import claim, write_json
from audition.identity import describe, public_versions
from audition.metrics import BSSEvalScale, Metric
from audition.progress import Progress
from audition.runs.folder import Run
from audition.runs.results import FILES, Results, describe_files
from audition.separators import LoopSettings, Separation, Separator, Track, separate_all

log = logging.getLogger(__name__)
MARKER = "segments.json"
PACKAGES = ("nussl", "numpy", "scipy", "scikit-learn", "librosa", "torch")  # that shape estimates


@gin.configurable(denylist=["run"])
def segment_and_separate(
    run: Run | None,
    data: Split = gin.REQUIRED,
    separator: Separator = gin.REQUIRED,
    folder: str | Path = gin.REQUIRED,
    window_seconds: float = 30.0,
    hop_seconds: float = 15.0,
    to_the_end: bool = False,
    quietest_lufs: float = -40.0,
    measures: Sequence[str] = ("silhouette", "posterior"),
    confidence_on: str | Sequence[str] | None = None,
    loud_percentile: float = LOUD_PERCENTILE,
    metrics: Sequence[Metric] = (BSSEvalScale(),),
    num_workers: int = 0,
    device: str = "auto",
    batch_size: int = 4,
    seed: int = 0,
) -> None:
    """Writes `<folder>/{mix,s0,s1,…}/<track>_<number>.wav` and `<folder>/results/` of each segment.

    s0, s1, … are the estimates in the separator's order: for the primitives and PrimitiveEnsemble,
    s0 is the background and s1 the foreground. The files are 32-bit float, in the layout of
    MixSourceFolder (bind its source_folders, as results/ is a folder too, or let
    construct_symlink_folder choose). A segment's JSON holds its confidences, where it comes from
    and, if the data has sources, its scores; for a segment that was too quiet it says so.

    Segments that already have a result from the same track are skipped. At the end, results of what
    is no longer in the data are removed, so that nothing learns from them; the audio stays, as
    links may point to it. The folder belongs to one separator and one way of cutting: the command
    refuses it with other settings.

    Args:
        run: the run whose checkpoint `separator` may use, or None.
        data: long mixtures, with or without sources; see AudioFolder.
        separator: what separates each segment.
        folder: of the segments; new, or filled by this command.
        window_seconds, hop_seconds: length of the segments, and the distance between their starts.
        to_the_end: True cuts as the bootstrapping paper's code does: a window starts at every hop,
            and ends early where the song does; the last starts earlier, to be whole. False drops
            what remains after the last whole window.
        quietest_lufs: segments with an integrated loudness (BS.1770) below this are not separated.
        measures: confidence measures: silhouette, posterior, loudness, dpcl_classic,
            jensen_shannon, whitened_kmeans. "confidence" is silhouette × posterior.
        confidence_on: what they are measured on: 'embedding' or 'mask' of a network. None takes a
            network's embedding if it has one, as nussl does, otherwise its masks; for other
            separators, the features that are clustered, or the masks. A list such as
            ['embedding', 'mask'] measures on each, as "confidence (mask)"; the first is also plain
            "confidence".
        loud_percentile: confidence is measured on the bins above this percentile of loudness, 0 to
            100.
        metrics: for data with sources; empty for no scores.
        num_workers: processes that separate, measure and write; 0 does it in this one.
        device: of a network; "auto" takes a GPU if there is one.
        batch_size: segments that go through a network at once.
        seed: with the segment's name, seeds whatever draws random numbers.

    Raises:
        ConfigError: the separator cannot work on this data, or the folder holds something else.
        ItemsFailed: some segments failed; the rest are done.
    """
    folder = Path(folder)
    segments = Segments(data, window_seconds, hop_seconds, to_the_end)
    teacher = Teacher(separator, measures, quietest_lufs, loud_percentile, confidence_on)
    teacher = teacher.located(run.folder if run else Path())
    teacher.check(data)
    cutting = [window_seconds, hop_seconds] + to_the_end * ["to the end"]
    settings = describe_settings(data, teacher, metrics, cutting, seed)
    claim(folder, MARKER, settings, "segment_and_separate.folder", "segments")
    code = code_of(settings, separate_all, Segments, type(data.dataset), *teacher.parts())
    kept = Results(folder / RESULTS, settings, windows(segments), code)
    todo = kept.todo()
    if todo and (why := kept.why_again()):
        log.info("%s were %s: they are made again", kept.folder, why)
    log.info("%d of %d segments to separate", len(todo), len(segments))
    loop = LoopSettings(device, batch_size, None, num_workers=num_workers, seed=seed)
    results = separate_all(segments, todo, teacher, WriteSegment(folder, metrics), loop)
    num_skipped = 0
    for name, result in Progress(results, "segment_and_separate", len(todo), unit="segment"):
        num_skipped += "skipped" in result
        kept.write(name, result)
    log.info("%d segments were too quiet", num_skipped)
    write_json(folder / COMPLETE, {"segments": segments.names})
    if num_others := kept.remove_others():
        log.info("removed %d results of segments that are no longer in the data", num_others)
    configs.write_operative(folder / "operative.segment_and_separate.gin")


def describe_settings(
    data: Split,
    teacher: Teacher,
    metrics: Sequence[Metric],
    cutting: list[float | str],
    seed: int,
) -> dict[str, Any]:
    """JSON-able: everything but the track that shapes a segment's files.

    Args:
        cutting: list of window and hop in seconds, plus a word if segments go to the end, which
            they never did in version 0.1, so that its segments stay valid.
    """
    content = describe_content(data)
    return {
        "separator": describe(teacher),
        "metrics": [describe(metric) for metric in metrics],
        "window_and_hop_seconds": cutting,
        "seed": seed,
        "data": {key: content[key] for key in ("dataset", "settings", "transform", "sample_rate")},
        "packages": public_versions(PACKAGES),
    }


def windows(segments: Segments) -> dict[str, tuple[int, int, list]]:
    """Dict, segment's name → its place in the item, and the sizes and times of the item's files."""
    each = zip(segments.names, segments.windows, segments.file_states(), strict=True)
    return {name: (window.start, window.stop, state) for name, window, state in each}


class WriteSegment:
    """The last step, run in the workers: writes a segment's audio and makes its result.

    Args:
        folder: Path of the segments.
        metrics: list of Metrics.
    """

    def __init__(self, folder: Path, metrics: Sequence[Metric]):
        self.folder = folder
        self.metrics = metrics

    def __call__(self, track: Track, separation: Separation) -> dict[str, Any]:
        """The result of the segment."""
        estimates, loudness = separation.estimates, separation.loudness_lufs
        about = {**track.metadata, "loudness_lufs": loudness if np.isfinite(loudness) else None}
        result = {"metadata": about, "confidences": separation.confidences, "scores": {}}
        if not estimates:
            return {**result, "skipped": "quieter than quietest_lufs"}
        signals = {"mix": track.mix, **{f"s{i}": one for i, one in enumerate(estimates)}}
        paths = [self.folder / name / f"{track.name}.wav" for name in signals]
        for path, signal in zip(paths, signals.values(), strict=True):
            write_wav(path, signal.audio_data.T, signal.sample_rate, "FLOAT")
        about[FILES] = describe_files(self.folder, paths)
        return {**result, "scores": self.scores(track, estimates)}

    def scores(
        self, track: Track, estimates: list[nussl.AudioSignal]
    ) -> dict[str, dict[str, list[float]]]:
        """Dict, source → score → list of float; empty without sources."""
        scores = {name: {} for name in track.sources}
        for metric in self.metrics if track.sources else ():
            for name, columns in metric(track.sources, estimates, track.mix).items():
                scores[name] |= columns
        return scores
