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
import soundfile
from tqdm import tqdm

from src import configs
from src.checkpoints import read as read_checkpoint
from src.errors import ConfigError
from src.files import fingerprint, read_json, write_and_rename
from src.metrics import score_table
from src.metrics.evaluations import Evaluation, check_comparable, read_evaluation
from src.metrics.scores import best_order
from src.pages import (
    Curves,
    Heard,
    RunHead,
    choose_tracks,
    cost_facts,
    draw_card,
    excerpt_seconds,
    loudest_start,
    mean_scores,
    render,
    score_facts,
    score_rows,
)
from src.passports import describe, in_short
from src.runs import Run, find_run
from src.separators import LoopSettings, Measured, separate_all
from src.separators.loop import read_track
from src.signals import signal_like

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

    The tracks go from the worst to the best of the first run; runs that `compare` would refuse to
    compare are refused here, too. Where evaluate.save_audio has kept the estimates they are taken
    from there; else the tracks are separated once more, with the run's own settings and seed, which
    also measures the confidence. Each run's config.gin is read on its own, so that runs of different
    experiments don't mix; other .gin files after -c, and -b, hold for all of them.

    Args:
        run: the last of the runs; all whose config.gin, or out folder, is given are shown.
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
    lower_is_better = metric in shown[0].evaluation.lower_is_better
    chosen = choose_tracks(mean_scores(shown[0].table, metric), num_tracks, lower_is_better)
    sample_rate, num_signals = shown[0].data.sample_rate, len(chosen) * signals_per_track(shown)
    seconds = excerpt_seconds(num_signals, sample_rate, max_seconds, megabytes)
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
    text = render(
        title=title_of(shown),
        heads=[head_of(number, one, metric) for number, one in enumerate(shown, start=1)],
        curves=[*itertools.chain.from_iterable(map(curves_of, itertools.count(1), shown))],
        cards=cards,
        **score_rows([one.table for one in shown], metric, list(chosen)),
        metric=metric,
        made=f"Written by main.py listening_page on {datetime.date.today()}.",
    )
    write(Path(output or folder / "listening_page.html"), text, megabytes)


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
        take = TakeExcerpt(seconds, orders)
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
        changed = [key for key in now if fingerprint(now[key]) != fingerprint(self.settings[key])]
        if changed:
            raise ConfigError(
                f"The {' and the '.join(changed)} of {self.run.folder} changed since its tracks were "
                "scored: run evaluate again."
            )
        return Measured(separator)

    def has_audio(self, tracks):
        """Whether evaluate kept the audio of these scores, and it is still there."""
        kept = self.settings["save_audio"]
        return kept and all((self.run.audio / track).is_dir() for track in tracks)

    def read(self, index, take):
        track = read_track(self.data, index)
        paths = [self.run.audio / track.name / f"{source}.wav" for source in track.sources]
        audio = [soundfile.read(path, always_2d=True)[0].T for path in paths]
        return take(track, [signal_like(track.mix, one) for one in audio])


class TakeExcerpt:
    """The last step, in the workers: the loudest stretch of a track, as Heard.

    Args:
        seconds: of the excerpt; shorter tracks are taken whole.
        orders: match estimates to references, as the metrics did.
    """

    def __init__(self, seconds, orders):
        self.seconds = seconds
        self.orders = orders

    def __call__(self, track, estimates):
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
    common = os.path.commonpath([folder.parent for folder in folders])
    runs = {str(folder.relative_to(common)): Run(folder) for folder in folders}
    shown = [open_run(name, run, given) for name, run in runs.items()]
    for one in shown[1:]:
        check_comparable(shown[0].evaluation, one.evaluation)
    return shown


def open_run(name, run, given):
    table, evaluation = score_table(run), read_evaluation(run, name)
    own = [p for p in given.paths if not find_run([p]) or Path(p).resolve() == run.config.resolve()]
    configs.load(own, given.bindings, given.command_line)
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


def head_of(number, one, metric):
    facts = {
        "separator": in_short(one.settings["separator"]["class"].rpartition(".")[2]),
        "tracks": str(one.table.track.nunique()),
        **score_facts(one.table[metric], metric),
        **cost_facts(one.run),
    }
    return RunHead(number, one.name, facts)


def curves_of(number, one):
    """The Curves of a run that was trained; nothing of one that wasn't."""
    path = one.run.checkpoints / "latest.pth"
    if not path.is_file():
        return
    history = read_checkpoint(path, "cpu")["history"]
    if history.get("train/loss"):
        losses = [history.get(f"{split}/loss", []) for split in ("train", "validation")]
        yield Curves(number, one.name, *losses)


def write(path, text, megabytes):
    content = text.encode()
    with write_and_rename(path, "wb") as file:
        file.write(content)
    log.info("%s: %.1f MB", path, len(content) / 1e6)
    if len(content) > megabytes * 1e6:
        log.warning(
            "That is more than listening_page.megabytes = %g, as the table of scores is long: lower "
            "listening_page.num_tracks or max_seconds.",
            megabytes,
        )
