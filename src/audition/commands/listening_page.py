"""Write one page to listen to: a run, or several side by side, on the tracks from worst to best."""

import datetime
import itertools
import logging
import os
from pathlib import Path

import gin

from audition.bootstrap.confidence import confidence_of
from audition.errors import ConfigError
from audition.files import write_and_rename
from audition.progress import Progress
from audition.reports.listening import (
    RunHead,
    choose_tracks,
    draw_card,
    excerpt_seconds,
    ranking_run,
    render,
    run_facts,
    score_rows,
)
from audition.reports.listening.runs import curves_of, open_runs, signals_per_track, title_of
from audition.runs.folder import Run

log = logging.getLogger(__name__)


@gin.configurable(denylist=["runs", "loaded"])
def listening_page(
    runs,
    loaded,
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
        runs: the Runs after -c; of a bootstrap its rounds are shown. Those without results are left
            out.
        loaded: configs.Loaded: what else was given.
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
    shown = open_runs(runs, loaded)
    folder = Path(os.path.commonpath([one.run.folder for one in shown]))
    path = Path(output or Run(folder).listening_page)
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
    heard = [
        one.listen(list(chosen), seconds, use_saved_audio, loop, confidence_of) for one in shown
    ]
    cards = [
        draw_card(
            track,
            rank,
            [tracks[track] for tracks in heard],
            [one.scores_of(track, metric) for one in shown],
        )
        for track, rank in Progress(chosen.items(), "draw", unit="track")
    ]
    write(path, render(**around, cards=cards).encode())


def write(path, content):
    with write_and_rename(path, "wb") as file:
        file.write(content)
    log.info("%s: %.1f MB", path, len(content) / 1e6)
