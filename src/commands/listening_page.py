"""Write one page to listen to: a run, or several side by side, on the tracks from worst to best."""

import datetime
import itertools
import logging
import os
from dataclasses import dataclass, fields
from pathlib import Path

import gin
import numpy as np
import pandas as pd
from tqdm import tqdm

from src import configs
from src.checkpoints import read as read_checkpoint
from src.errors import ConfigError
from src.estimates import has_estimates, read_estimates
from src.files import fingerprint, read_json, write_and_rename
from src.metrics import score_table
from src.metrics.evaluations import Evaluation, check_comparable, fingerprints, read_evaluation
from src.metrics.scores import best_order
from src.pages import (
    Curves,
    Heard,
    RunHead,
    choose_tracks,
    draw_card,
    excerpt_seconds,
    loudest_start,
    ranking_run,
    render,
    run_facts,
    score_rows,
)
from src.passports import describe, former
from src.runs import Run, find_run, own_paths, runs_in, with_results
from src.separators import LoopSettings, Measured, separate_all
from src.separators.loop import read_track

log = logging.getLogger(__name__)


@gin.configurable(denylist=["run"])
def listening_page(
    run,
    output=None,
    metric="SI-SDRi",
    num_tracks=10,
    max_seconds=30.0,
    megabytes=20,
    use_saved_audio=True,
    num_workers=0,
    device="auto",
):
    """Writes one .html file that works from the disk: players, pictures, scores, losses and costs.

    The tracks go from the worst to the best of the first run whose scores differ between tracks; runs
    that `compare` would refuse to compare are refused here, too. Where evaluate.save_audio has kept
    the estimates they are taken from there; else the tracks are separated once more, with the run's
    own settings and seed, which also measures the confidence. Each run's config.gin is read on its
    own, so that runs of different experiments don't mix; other .gin files after -c, and -b, hold for
    all of them.

    Args:
        run: the last of the runs; all whose config.gin, or out folder, is given are shown, of a
            bootstrap its rounds. Those without results are left out.
        output: path of the page; None is `listening_page.html` in the run's folder or, for several
            runs, in the folder that holds them all.
        metric: score to choose tracks by: the mean over their sources.
        num_tracks: to listen to; the table has all.
        max_seconds: of a track; of longer ones the loudest stretch of the mixture.
        megabytes: of the page; excerpts are cut shorter than `max_seconds` where it needs that.
        use_saved_audio: False separates again even where audio was kept.
        num_workers: processes that cluster and mask; 0 does it in this one.
        device: of a network; "auto" takes a GPU where there is one.

    Raises:
        ConfigError: runs without scores, of different test sets, or changed since evaluate.
        ItemsFailed: some tracks can't be separated any more.
    """
    shown = open_runs()
    folder = Path(os.path.commonpath([one.run.folder for one in shown]))
    path = Path(output or folder / "listening_page.html")
    if path.is_dir():
        raise ConfigError(f"listening_page.output = {output!r} is a folder: name a file in it.")
    tables = [one.table for one in shown]
    ranked_by, scores = ranking_run(tables, metric)
    chosen = choose_tracks(scores, num_tracks, metric in shown[0].evaluation.lower_is_better)
    around = {
        "title": title_of(shown),
        "heads": [
            RunHead(number, one.name, run_facts(one, metric))
            for number, one in enumerate(shown, start=1)
        ],
        "curves": [*itertools.chain.from_iterable(map(curves_of, itertools.count(1), shown))],
        **score_rows(tables, metric, list(chosen)),
        "metric": metric,
        "ranked_by": ranked_by,
        "made": f"Written by main.py listening_page on {datetime.date.today()}.",
    }
    seconds = excerpt_seconds(
        len(chosen) * signals_per_track(shown),
        shown[0].data.sample_rate,
        max_seconds,
        megabytes,
        len(render(**around, cards=[]).encode()),
    )
    loop = {"device": device, "num_workers": num_workers}
    heard = [one.listen(list(chosen), seconds, use_saved_audio, loop) for one in shown]
    cards = [
        draw_card(
            track,
            rank,
            [tracks[track] for tracks in heard],
            [one.scores_of(track, metric) for one in shown],
        )
        for track, rank in tqdm(chosen.items(), "draw", unit="track")
    ]
    write(path, render(**around, cards=cards).encode())


@dataclass
class Evaluated:
    """A run with its scores and with what its own config.gin binds to evaluate.

    Attributes:
        name: what tells it from the others: its path in the folder that holds them all.
        settings: what evaluation.json says.
    """

    name: str
    run: Run
    bindings: dict
    table: pd.DataFrame
    evaluation: Evaluation
    settings: dict

    @property
    def data(self):
        return self.bindings["test_data"]

    def scores_of(self, track, metric):
        """dict, source → score."""
        rows = self.table[self.table.track == track]
        return dict(zip(rows.source, rows[metric], strict=True))

    def listen(self, tracks, seconds, use_saved_audio, loop):
        """dict, name of the track → Heard."""
        missing = set(tracks) - set(self.data.names)
        if missing:
            raise ConfigError(
                f"{self.run.folder} has scores of {sorted(missing)[0]!r}, which isn't in its "
                "evaluate.test_data any more: run evaluate again."
            )
        indices = [self.data.names.index(track) for track in tracks]
        orders = any(metric.compute_permutation for metric in self.bindings.get("metrics", ()))
        take = TakeExcerpt(seconds, orders, self.evaluation.audio)
        if use_saved_audio and self.has_audio(tracks):
            found = ((self.data.names[index], self.read(index, take)) for index in indices)
        else:
            settings = LoopSettings(**self.loop_bindings() | loop)
            found = separate_all(self.data, indices, self.separator(), take, settings)
        return dict(tqdm(found, f"listen to {self.run.name}", len(indices), unit="track"))

    def loop_bindings(self):
        names = [field.name for field in fields(LoopSettings)]
        return {name: self.bindings[name] for name in names if name in self.bindings}

    def separator(self):
        """The separator that was scored, measured; ConfigError where it isn't the same any more."""
        separator = self.bindings["separator"].located(self.run.folder)
        separator.check(self.data)
        loop = LoopSettings(**self.loop_bindings())
        now = {
            "separator": describe(separator),
            "pieces": [loop.piece_seconds, loop.overlap_seconds],
            "seed": loop.seed,
        }
        changed = [
            key for key in now if self.settings[key] not in (now[key], former(now)[key])
        ]
        if changed:
            raise ConfigError(
                f"The {' and the '.join(changed)} of {self.run.folder} changed since its tracks were "
                "scored: run evaluate again."
            )
        return Measured(separator)

    def has_audio(self, tracks):
        """Whether evaluate kept the audio of these scores, and it is still there."""
        sources = {track: group.source for track, group in self.table.groupby("track")}
        return self.settings["save_audio"] and all(
            has_estimates(self.run.audio / track, sources[track]) for track in tracks
        )

    def read(self, index, take):
        track = read_track(self.data, index)
        folder = self.run.audio / track.name
        return take(track, read_estimates(folder, track.sources, track.mix))


class TakeExcerpt:
    """The last step, in the workers: the loudest stretch of a track, as Heard.

    Args:
        seconds: of the excerpt; shorter tracks are taken whole.
        orders: match estimates to references, as the metrics did.
        scored: dict, name of a track → fingerprints of the audio that was scored.
    """

    def __init__(self, seconds, orders, scored):
        self.seconds = seconds
        self.orders = orders
        self.scored = scored

    def __call__(self, track, estimates):
        if fingerprints(track) != self.scored[track.name]:
            raise ConfigError(
                f"The audio of track {track.name!r} changed since it was scored: run evaluate again."
            )
        confidences = getattr(estimates, "confidences", {})  # {} of long tracks: pieces have no sum
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
            confidence=confidences.get("confidence"),
        )


def open_runs():
    """The runs after -c, each with its own config and what was given beside, not with each other's."""
    given = configs.loaded
    folders = dict.fromkeys(Path(path).parent.resolve() for path in given.paths if find_run([path]))
    if not folders:
        raise ConfigError(
            "listening_page needs runs; give an out folder, or the config.gin of runs, after -c."
        )
    runs = with_results(inside for folder in folders for inside in runs_in(folder))
    if not runs:
        raise ConfigError(f"{next(iter(folders))} holds no results: run evaluate first.")
    common = os.path.commonpath([run.folder.parent for run in runs])
    shown = [open_run(str(run.folder.relative_to(common)), run, given) for run in runs]
    for one in shown[1:]:
        check_comparable(shown[0].evaluation, one.evaluation)
    return shown


def open_run(name, run, given):
    table, evaluation = score_table(run), read_evaluation(run, name)
    configs.load(own_paths(run, given.paths), given.bindings, given.command_line)
    bound = gin.get_bindings("evaluate")
    for argument in ("test_data", "separator"):
        if argument not in bound:
            raise ConfigError(
                f"{run.config} doesn't bind evaluate.{argument}; give listening_page the .gin files "
                "and -b that evaluate was given, too."
            )
    settings = read_json(run.folder / "evaluation.json")
    return Evaluated(name, run, bound, table, evaluation, settings)


def signals_per_track(shown):
    """The mixture, the references, and each run's estimates."""
    return 1 + shown[0].table.source.nunique() * (1 + len(shown))


def title_of(shown):
    """`<experiment>/<run>`; of several, their experiments."""
    experiments = dict.fromkeys(one.run.folder.parent.name for one in shown)
    return shown[0].run.label if len(shown) == 1 else f"{', '.join(experiments)}: {len(shown)} runs"


def curves_of(number, one):
    """The Curves of a run that was trained; nothing of one that wasn't."""
    path = one.run.checkpoints / "latest.pth"
    if not path.is_file():
        return
    history = read_checkpoint(path, "cpu")["history"]
    if history.get("train/loss"):
        losses = [history.get(f"{split}/loss", []) for split in ("train", "validation")]
        yield Curves(number, one.name, *losses)


def write(path, content):
    with write_and_rename(path, "wb") as file:
        file.write(content)
    log.info("%s: %.1f MB", path, len(content) / 1e6)
