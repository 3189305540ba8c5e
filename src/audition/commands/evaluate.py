"""Separate a test set and score it."""

import itertools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
import nussl

from audition import configs
from audition.audio.estimates import write_estimates
from audition.code import code_of
from audition.datasets.identity import describe_content, file_states
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.files import write_json
from audition.handlers.trackers import send_report
from audition.identity import describe, fingerprint, public_versions
from audition.metrics import BSSEvalScale, Metric
from audition.metrics.scores import silent
from audition.progress import Progress
from audition.reports.cards import headline, write_card
from audition.reports.caveats import fault, observe
from audition.reports.evaluations import fingerprints
from audition.reports.report_card import overall_means
from audition.runs.costs import record_evaluation
from audition.runs.folder import Run, git_state
from audition.runs.memory import PeakMemory
from audition.runs.results import FILES, Results, describe_files
from audition.separators import (
    LoopSettings,
    Separation,
    Separator,
    Track,
    rehearse,
    separate_all,
)

log = logging.getLogger(__name__)
PACKAGES = ("nussl", "museval", "numpy", "scipy", "scikit-learn", "torch")  # that shape scores


@gin.configurable(denylist=["run", "network"])
def evaluate(
    run: Run,
    test_data: Split = gin.REQUIRED,
    separator: Separator = gin.REQUIRED,
    metrics: Sequence[Metric] = (BSSEvalScale(),),
    num_workers: int = 0,
    device: str = "auto",
    batch_size: int = 8,
    piece_seconds: float | None = 60.0,
    overlap_seconds: float = 2.0,
    save_audio: bool = False,
    reference_channel: int | None = None,
    seed: int = 0,
    network: tuple[Any, dict] | None = None,
) -> None:
    """Scores a separator on each track of a test set, into `results/<track>.json`.

    Ends with the report card, and its headline on the console; analyze adds figures and notes.
    Skips tracks that already have a result of the same separator, checkpoint, metrics, settings and
    code; all other results are replaced.

    Args:
        run: whose results these are.
        test_data: the tracks.
        separator: such as `@MaskEstimation()` or `@nussl.separation.primitive.HPSS()`.
        metrics: what scores each track.
        num_workers: processes that cluster, mask and score; 0 does it in this one.
        device: of the network; "auto" takes a GPU if there is one.
        batch_size: signals of equal length that go through the network at once.
        piece_seconds: longer tracks are separated in pieces of this length, which bounds the memory
            and is also the most audio that goes through the network at once; None never cuts.
        overlap_seconds: of the pieces, which are crossfaded there, and their sources matched.
        save_audio: also writes the estimates, as `audio/<track>/<source>.wav`.
        reference_channel: of the mixture and its sources, the one channel that the separator's
            estimates are scored with, counted from 0; None is all of them.
        seed: with the track's name, seeds the separators that draw random numbers.
        network: None; or `(model, metadata)` of a network in training: then nothing is written, and
            a few seconds are separated and scored to see whether this would work.

    Raises:
        ConfigError: the separator or a metric cannot work on this data.
        ItemsFailed: some tracks failed; the rest are done.
    """
    check_metrics(metrics)
    if network is not None:
        separator = separator.rehearsing(run.folder, *network, test_data)
        return rehearse(separator, test_data, ScoreTrack(metrics, None, reference_channel), device)
    separator = separator.located(run.folder)
    separator.check(test_data)
    loop = LoopSettings(device, batch_size, piece_seconds, overlap_seconds, num_workers, seed)
    settings = describe_settings(test_data, separator, metrics, loop, save_audio, reference_channel)
    code = code_of(settings, separate_all, type(test_data.dataset), *separator.parts())
    kept = Results(run.results, settings, tracks(test_data), code)
    test_data.tell_order()
    todo = kept.todo(fault)
    if todo and (why := kept.why_again()):
        log.info("%s were %s: they are scored again", run.results, why)
    log.info("%d of %d tracks to evaluate", len(todo), len(test_data))
    last_step = ScoreTrack(metrics, run.audio if save_audio else None, reference_channel)
    memory, began, seconds_of_audio = PeakMemory(), time.monotonic(), 0.0
    results = separate_all(test_data, todo, separator, last_step, loop)
    # a mistake in the settings shows with the first track, before anything is removed
    first = list(itertools.islice(results, 1))
    if num_others := kept.remove_others():
        log.info("removed %d results of other settings, checkpoints or tracks", num_others)
    write_evaluation(run, settings, test_data)
    results = itertools.chain(first, results)
    for name, (scores, notes, content) in Progress(results, "evaluate", len(todo), unit="track"):
        seconds_of_audio += content["seconds"]
        for note in notes:
            log.warning("%s: %s", name, note)
        kept.write(name, {**scores, "metadata": {"track": name, **content}})
    if todo:
        record_evaluation(run, time.monotonic() - began, seconds_of_audio, memory.measure())
    configs.write_operative(run.operative("evaluate"))
    table = write_card(run).table
    send_report(run, overall_means(table))
    log.info("%s: %s", headline(table), run.report_card_txt)


def write_evaluation(run: Run, settings: dict, data: Split) -> None:
    about = {"tracks": data.names, "git": git_state()}
    write_json(run.evaluation, {**settings, **about})


class ScoreTrack:
    """The last step, run in the workers: scores a track and writes its audio.

    Args:
        metrics: list of Metrics.
        audio_folder: where estimates go, or None.
        reference_channel: which channel to score, or None.
    """

    def __init__(
        self, metrics: Sequence[Metric], audio_folder: Path | None, reference_channel: int | None
    ):
        self.metrics = metrics
        self.audio_folder = audio_folder
        self.reference_channel = reference_channel

    def __call__(
        self, track: Track, separation: Separation
    ) -> tuple[dict[str, dict[str, list[float]]], list[str], dict[str, Any]]:
        """`(dict, source → score → list of float; list of remarks; dict about the audio)`."""
        if self.reference_channel is not None:
            track = track.at(self.reference_channel)
        estimates, files = separation.estimates, {}
        if self.audio_folder is not None:
            paths = write_estimates(self.audio_folder / track.name, track.sources, estimates)
            files = {FILES: describe_files(self.audio_folder.parent, paths)}
        scores = {name: {} for name in track.sources}
        for metric in self.metrics:
            for name, columns in metric(track.sources, estimates, track.mix).items():
                check_columns(metric, scores[name], columns)
                scores[name] |= columns
        content = {
            "audio": fingerprints(track),
            "seconds": track.mix.signal_duration,
            "scores": fingerprint(scores),
            "num_sources": len(track.sources),
            "num_estimates": len(estimates),
            "looked_at_sources": track.looked,
            **observe(track.sources, self.scored(track.sources, estimates), track.mix),
            **files,
        }
        if "group" in track.metadata:  # a speaker or song: `compare` treats its tracks as dependent
            content["group"] = str(track.metadata["group"])
        return scores, [*silence(track.sources, content["silent_estimates"])], content

    def scored(
        self, references: dict[str, nussl.AudioSignal], estimates: list[nussl.AudioSignal]
    ) -> list[nussl.AudioSignal]:
        """The estimates in the order of the references, if any metric looks for that order."""
        metric = next((m for m in self.metrics if m.compute_permutation), self.metrics[0])
        return metric.matched(references, estimates)


def silence(sources: dict[str, nussl.AudioSignal], silent_estimates: list[str]) -> Iterator[str]:
    for name in sources:
        if silent(sources[name]):
            yield f"source {name} is silent, so its scores are NaN"
    for name in silent_estimates:
        yield f"the estimate of {name} is silent, so its scores are the worst possible"


def check_columns(
    metric: Metric, present: Mapping[str, list[float]], columns: Mapping[str, list[float]]
) -> None:
    if common := set(present) & set(columns):
        raise ConfigError(
            f"evaluate.metrics: {type(metric).__name__} and one before it both give "
            f"{', '.join(sorted(common))}; keep one of them."
        )


def check_metrics(metrics: Sequence[Metric]) -> None:
    if not metrics:
        raise ConfigError("evaluate.metrics is empty: bind it to a list such as [@BSSEvalScale()].")


def describe_settings(
    data: Split,
    separator: Separator,
    metrics: Sequence[Metric],
    loop: LoopSettings,
    save_audio: bool,
    reference_channel: int | None,
) -> dict[str, Any]:
    """JSON-able: everything but the track that shapes a result.

    Device, batch size and workers are not in it, as they only change the speed.
    """
    content = describe_content(data)
    return {
        "separator": describe(separator),
        "metrics": [describe_metric(metric, data) for metric in metrics],
        "pieces": [loop.piece_seconds, loop.overlap_seconds],
        "seed": loop.seed,
        "save_audio": save_audio,
        **({} if reference_channel is None else {"reference_channel": reference_channel}),
        "data": {key: content[key] for key in ("dataset", "settings", "transform", "sample_rate")}
        | {"stft": describe(data.stft_params)},  # for algorithms without a network
        "packages": public_versions(PACKAGES),
    }


def describe_metric(metric: Metric, data: Split) -> dict[str, Any]:
    stft = {"stft": describe(data.stft_params)} if metric.uses_stft else {}
    return {**describe(metric), **stft}


def tracks(data: Split) -> dict[str, tuple]:
    """Dict, name of the track → what shows that it is unchanged: the sizes and times of its files,
    so that a restart need not read any audio."""
    return {name: (s,) for name, s in zip(data.names, file_states(data), strict=True)}
