"""A run to listen to: its scores, and excerpts of the audio that was scored."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import gin
import numpy as np
import pandas as pd

from audition import configs
from audition.audio.estimates import has_estimates, read_estimates
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.files import read_json
from audition.identity import describe, former
from audition.metrics.scores import best_order
from audition.progress import Progress
from audition.reports.evaluations import (
    Evaluation,
    check_comparable,
    fingerprints,
    read_evaluation,
)
from audition.reports.listening.page import Curves, Heard
from audition.reports.listening.sounds import loudest_start
from audition.reports.report_card import score_table
from audition.runs.folder import Run, own_paths, runs_in, with_results
from audition.runs.results import FILES, changed_files, read_results
from audition.separators import LoopSettings, Separation, Separator, Track, separate_all
from audition.separators.loop import read_track
from audition.training.checkpoints import read_newest

log = logging.getLogger(__name__)


@dataclass
class Evaluated:
    """A run with its scores and the bindings of evaluate in its own config.gin.

    Attributes:
        name: its path in the folder that holds all runs, which distinguishes it from the others.
        settings: the content of evaluation.json.
    """

    name: str
    run: Run
    bindings: dict[str, Any]
    table: pd.DataFrame
    evaluation: Evaluation
    settings: dict[str, Any]

    @property
    def data(self) -> Split:
        return self.bindings["test_data"]

    def scores_of(self, track: str, metric: str) -> dict[str, float]:
        """dict, source → score."""
        rows = self.table[self.table.track == track]
        return dict(zip(rows.source, rows[metric], strict=True))

    def listen(
        self,
        tracks: list[str],
        seconds: float,
        use_saved_audio: bool,
        loop: dict[str, Any],
        confidence_of: Callable[[Separation], float | None],
    ) -> dict[str, Heard]:
        """dict, name of the track → Heard.

        Args:
            confidence_of: picklable function, Separation → float, or None if it has no features.
        """
        missing = set(tracks) - set(self.data.names)
        if missing:
            raise ConfigError(
                f"{self.run.folder} has scores of {sorted(missing)[0]!r}, which is no longer in its "
                "evaluate.test_data: run evaluate again."
            )
        indices = [self.data.names.index(track) for track in tracks]
        orders = any(metric.compute_permutation for metric in self.bindings.get("metrics", ()))
        take = TakeExcerpt(seconds, orders, self.evaluation.audio, confidence_of)
        if use_saved_audio and self.has_audio(tracks):
            found = ((self.data.names[index], self.read(index, take)) for index in indices)
        else:
            settings = LoopSettings(**self.loop_bindings() | loop)
            found = separate_all(self.data, indices, self.separator(), take, settings)
        return dict(Progress(found, f"listen to {self.run.name}", len(indices), unit="track"))

    def loop_bindings(self) -> dict[str, Any]:
        names = [field.name for field in fields(LoopSettings)]
        return {name: self.bindings[name] for name in names if name in self.bindings}

    def separator(self) -> Separator:
        """The separator that was scored; raises a ConfigError if it has changed since."""
        separator = self.bindings["separator"].located(self.run.folder)
        separator.check(self.data)
        loop = LoopSettings(**self.loop_bindings())
        now = {
            "separator": describe(separator),
            "pieces": [loop.piece_seconds, loop.overlap_seconds],
            "seed": loop.seed,
        }
        changed = [key for key in now if self.settings[key] not in (now[key], former(now)[key])]
        if changed:
            raise ConfigError(
                f"The {' and the '.join(changed)} of {self.run.folder} changed since its tracks were "
                "scored: run evaluate again."
            )
        return separator.with_features()  # to measure the confidence on

    def has_audio(self, tracks: list[str]) -> bool:
        """Whether evaluate kept the audio that it scored, and it is still there, as it was."""
        sources = {track: group.source for track, group in self.table.groupby("track")}
        if not self.settings["save_audio"] or not all(
            has_estimates(self.run.audio / track, sources[track]) for track in tracks
        ):
            return False
        results = read_results(self.run.results)
        for track in tracks:
            files = results[track]["metadata"].get(FILES, {})
            if changed := changed_files(self.run.folder, files):
                log.warning("%s was changed, so the tracks are separated again", changed[0])
                return False
        return True

    def read(self, index: int, take: "TakeExcerpt") -> Heard:
        track = read_track(self.data, index)
        folder = self.run.audio / track.name
        return take(track, Separation(read_estimates(folder, track.sources, track.mix)))


class TakeExcerpt:
    """The last step of separation, in the workers: takes the loudest stretch of a track, as Heard.

    Args:
        seconds: length of the excerpt; shorter tracks are used whole.
        orders: whether to match estimates to references, as the metrics did.
        scored: name of a track → fingerprints of the audio that was scored.
        confidence_of: see `Evaluated.listen`.
    """

    def __init__(
        self,
        seconds: float,
        orders: bool,
        scored: dict[str, dict],
        confidence_of: Callable[[Separation], float | None],
    ):
        self.seconds = seconds
        self.orders = orders
        self.scored = scored
        self.confidence_of = confidence_of

    def __call__(self, track: Track, separation: Separation) -> Heard:
        if fingerprints(track) != self.scored[track.name]:
            raise ConfigError(
                f"The audio of track {track.name!r} changed since it was scored: run evaluate again."
            )
        estimates = separation.estimates
        if self.orders:
            estimates = [estimates[index] for index in best_order(track.sources, estimates)]
        length = round(self.seconds * track.mix.sample_rate)
        start = loudest_start(track.mix.audio_data, length)

        def cut(signal):
            return signal.audio_data[:, start : start + length].astype(np.float32)

        return Heard(
            mix=cut(track.mix),
            references={name: cut(source) for name, source in track.sources.items()},
            estimates={n: cut(one) for n, one in zip(track.sources, estimates, strict=False)},
            sample_rate=track.mix.sample_rate,
            start=start,
            num_samples=track.mix.signal_length,
            confidence=self.confidence_of(separation),
        )


def open_runs(runs: Sequence[Run], given: configs.Loaded) -> list[Evaluated]:
    """Opens runs, each with its own config and what else was given, but not with each other's.

    Args:
        given: what else was given on the command line.
    """
    folders = [run.folder.resolve() for run in runs]
    if not folders:
        raise ConfigError(
            "listening_page needs runs; give an out folder, or the config.gin of runs, after -c."
        )
    runs = with_results(inside for folder in folders for inside in runs_in(folder))
    if not runs:
        raise ConfigError(f"{folders[0]} holds no results: run evaluate first.")
    common = os.path.commonpath([run.folder.parent for run in runs])
    shown = [open_run(str(run.folder.relative_to(common)), run, given) for run in runs]
    for one in shown[1:]:
        check_comparable(shown[0].evaluation, one.evaluation)
    return shown


def open_run(name: str, run: Run, given: configs.Loaded) -> Evaluated:
    table, evaluation = score_table(run), read_evaluation(run, name)
    configs.load(own_paths(run, given.paths), given.bindings, run=run)
    bound = gin.get_bindings("evaluate")
    for argument in ("test_data", "separator"):
        if argument not in bound:
            raise ConfigError(
                f"{run.config} doesn't bind evaluate.{argument}; give listening_page the .gin files "
                "and -b that evaluate was given, too."
            )
    settings = read_json(run.evaluation)
    return Evaluated(name, run, bound, table, evaluation, settings)


def signals_per_track(shown: list[Evaluated]) -> int:
    """The mixture, the references, and each run's estimates."""
    return 1 + shown[0].table.source.nunique() * (1 + len(shown))


def title_of(shown: list[Evaluated]) -> str:
    """`<experiment>/<run>`, or the experiments of several runs."""
    experiments = dict.fromkeys(one.run.folder.parent.name for one in shown)
    return shown[0].run.label if len(shown) == 1 else f"{', '.join(experiments)}: {len(shown)} runs"


def curves_of(number: int, one: Evaluated) -> Iterator[Curves]:
    """Yields the Curves of a run, if it was trained."""
    if not one.run.checkpoint:
        return
    history = read_newest(one.run)[1]["history"]
    if history.get("train/loss"):
        losses = [history.get(f"{split}/loss", []) for split in ("train", "validation")]
        yield Curves(number, one.name, *losses)
