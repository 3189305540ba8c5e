"""Write one page to listen to a run, or several side by side, on the tracks from worst to best."""

import datetime
import itertools
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import gin

from audition import configs
from audition.bootstrap.confidence import confidence_of
from audition.bootstrap.exhibits import draw_exhibit, exhibited_rounds, segments_to_hear
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
    telling_metric,
)
from audition.reports.listening.runs import curves_of, open_runs, signals_per_track, title_of
from audition.runs.folder import Run

log = logging.getLogger(__name__)


@gin.configurable(denylist=["runs", "loaded"])
def listening_page(
    runs: Sequence[Run],
    loaded: configs.Loaded,
    output: str | None = None,
    metric: str = "SI-SDRi",
    num_tracks: int = 10,
    max_seconds: float = 30.0,
    megabytes: float = 20,
    use_saved_audio: bool = True,
    title: str | None = None,
    note: str = "",
    num_workers: int = 0,
    device: str = "auto",
) -> None:
    """Writes one .html file that works from the disk: players, pictures, scores, losses and costs.

    The tracks are ordered from worst to best, by the first run whose scores differ between tracks.
    Runs that `compare` would refuse to compare are refused here too. Estimates come from the audio
    that evaluate.save_audio kept, if it did; otherwise the tracks are separated again with the
    run's own settings and seed, which also measures the confidence. Each run's config.gin is read
    on its own, so that runs of different experiments don't mix; other .gin files after -c, and -b,
    apply to all of them. For the rounds of a bootstrap, the page also shows what their teachers were
    sure of: true score over confidence, the fifths of the segments, and the least and the most
    confident segment to hear.

    Args:
        runs: the Runs after -c; a bootstrap is shown as its rounds, and runs without results are
            left out.
        loaded: what else was given on the command line.
        output: path of the page; None is `listening_page.html` in the run's folder or, for several
            runs, in the folder that holds them all.
        metric: score to choose tracks by: the mean over their sources. If all runs are unprocessed
            mixtures, whose SI-SDRi is 0, it is the SI-SDR.
        num_tracks: how many tracks to listen to; the table has all.
        max_seconds: longest excerpt of a track: the loudest stretch of its mixture.
        megabytes: size of the page; excerpts are cut shorter than `max_seconds` if necessary.
        use_saved_audio: False separates again even if the audio was kept.
        title: of the page; None names the runs.
        note: a sentence or two for its readers, below the title.
        num_workers: processes that cluster and mask; 0 does it in this one.
        device: of a network; "auto" takes a GPU if there is one.

    Raises:
        ConfigError: runs without scores, with different test sets, or changed since evaluate.
        ItemsFailed: some tracks can no longer be separated.
    """
    shown = open_runs(runs, loaded)
    folder = Path(os.path.commonpath([one.run.folder for one in shown]))
    path = Path(output or Run(folder).listening_page)
    if path.is_dir():
        raise ConfigError(f"listening_page.output = {output!r} is a folder: name a file in it.")
    tables = [one.table for one in shown]
    metric = telling_metric(metric, tables)
    ranked_by, scores = ranking_run(tables, metric)
    chosen = choose_tracks(scores, num_tracks, metric in shown[0].evaluation.lower_is_better)
    rounds = exhibited_rounds([one.run for one in shown], metric)
    around = {
        "title": title or title_of(shown),
        "note": note,
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
        len(chosen) * signals_per_track(shown) + segments_to_hear(rounds),
        shown[0].data.sample_rate,
        max_seconds,
        megabytes,
        len(render(**around, cards=[], exhibits=[]).encode()),
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
    exhibits = [draw_exhibit(one, metric, seconds) for one in rounds]
    write(path, render(**around, cards=cards, exhibits=exhibits).encode())


def write(path: Path, content: bytes) -> None:
    with write_and_rename(path, "wb") as file:
        file.write(content)
    log.info("%s: %.1f MB", path, len(content) / 1e6)
