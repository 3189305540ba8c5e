"""What the teacher of a round was sure of, as a part of the listening page: figures and segments."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from audition.bootstrap.calibration import Correlation, draw_calibration
from audition.bootstrap.segments import read_segment, segment_table
from audition.bootstrap.summary import CONFIDENCE, NUM_FIFTHS, calibration, quintiles
from audition.reports.figures import draw_means, figure_uri
from audition.reports.listening import Exhibit, Heard, draw_segment, loudest_start
from audition.reports.report_card import finite, is_ratio
from audition.runs.folder import Run


class ExhibitedRound(NamedTuple):
    run: Run
    segments: pd.DataFrame  # as of `segment_table`, those with a confidence


def exhibited_rounds(runs: list[Run], score: str) -> list[ExhibitedRound]:
    """Those of the runs that are rounds of a bootstrap, with segments whose confidence and true `score`
    are known and can be correlated."""
    tables = {run: segment_table(run.segments) for run in runs if run.segments.is_dir()}
    return [
        ExhibitedRound(run, table.dropna(subset=[CONFIDENCE]))
        for run, table in tables.items()
        if calibration(table, score)
    ]


def segments_to_hear(rounds: list[ExhibitedRound]) -> int:
    """Number of signals that the exhibits of these rounds play."""
    return sum(len(chosen(one)) * len(read_stems(one)) for one in rounds)


def read_stems(one: ExhibitedRound) -> dict[str, np.ndarray]:
    return read_segment(one.run.segments, one.segments.index[0])[0]


def chosen(one: ExhibitedRound) -> list[str]:
    """The names of the least and of the most confident segment."""
    return one.segments[CONFIDENCE].agg(["idxmin", "idxmax"]).tolist()


def draw_exhibit(one: ExhibitedRound, score: str, seconds: float) -> Exhibit:
    """Two figures and two segments of a round.

    Args:
        score: column of the segments.
        seconds: of a segment; of longer ones the loudest stretch of the mixture.
    """
    table = one.segments
    figure, found = draw_calibration(table, [CONFIDENCE], score, one.run.name)
    fifths = {f"Q{n}": part[score] for n, part in table.groupby(quintiles(table[CONFIDENCE]))}
    figures = [figure, draw_means(fifths, score)]
    cards = [
        draw_segment(name, rank_of(table, name, place, score), hear(one.run, name, seconds))
        for place, name in zip(("least", "most"), chosen(one), strict=True)
    ]
    return Exhibit(
        f"What the teacher of {one.run.name} was sure of",
        words(table, found[CONFIDENCE], score),
        [(figure_uri(one), one.get_label()) for one in figures],
        cards,
    )


def words(table: pd.DataFrame, fit: Correlation, score: str) -> str:
    """What stands above the figures."""
    return (
        f"{len(table)} segments of {table['track'].nunique()} tracks, "
        f"{table['duration_seconds'].median():.0f} s each, separated by the teacher of this round. Their "
        f"stems are known and serve for these figures only. Confidence and {score} correlate with r = "
        f"{fit.r:.2f} (95 % interval {fit.low:.2f} to {fit.high:.2f}, which takes segments as "
        f"independent). Bars: mean {score} of each fifth of the segments by confidence, Q1 the least sure, "
        f"Q{NUM_FIFTHS} the most, with the 95 % interval. Listen to the least and to the most confident "
        "segment."
    )


def rank_of(table: pd.DataFrame, name: str, place: str, score: str) -> str:
    value, unit = table[score][name], " dB" if is_ratio(score) else ""
    true = f", true {score} {value:z.2f}{unit}" if len(finite(table.loc[[name], score])) else ""
    return f"{place} confident of {len(table)}: {table[CONFIDENCE][name]:.2f}{true}"


def hear(run: Run, name: str, seconds: float) -> Heard:
    audio, sample_rate = read_segment(run.segments, name)
    length = round(seconds * sample_rate)
    start = loudest_start(audio["mix"], length)
    whole = audio["mix"].shape[1]
    cut = {stem: one[:, start : start + length].astype(np.float32) for stem, one in audio.items()}
    return Heard(cut.pop("mix"), {}, cut, sample_rate, start, whole, None)
