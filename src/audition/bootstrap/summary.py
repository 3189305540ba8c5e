"""Tables of a bootstrap: its rounds' scores on the test set, and their segments by confidence."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from audition.bootstrap.calibration import Correlation, correlate
from audition.bootstrap.confidence import CONFIDENCE, confidence_columns
from audition.errors import ConfigError
from audition.reports.comparison import paired_differences
from audition.reports.report_card import KEYS, OVERALL, finite

NUM_FIFTHS = 5
P_COLUMN = {"p": lambda p: "-" if np.isnan(p) else f"{p:.2g}"}


class Round(NamedTuple):
    """The results of a round.

    Attributes:
        name: such as "round1".
        scores: DataFrame as of `score_table`, for the test set.
        segments: DataFrame as of `segment_table`; None for round 0, which has none.
        chosen: names of the segments it learned from.
    """

    name: str
    scores: pd.DataFrame
    segments: pd.DataFrame | None = None
    chosen: frozenset = frozenset()


def round_table(rounds: list[Round], score: str) -> pd.DataFrame:
    """How each round scores on the test set, and how much better than round 0.

    Args:
        rounds: list of Rounds, round 0 first.
        score: column of their scores.

    Returns:
        DataFrame, a row per round: round, segments, chosen, r (of confidence and true score, with
        its interval), mean of `score` overall and per source (dB), and from `paired_differences`,
        corrected for the number of rounds, its shift from round 0 over the tracks (dB), with the
        95 % interval, p of Wilcoxon's signed-rank test and a verdict.
    """
    tables = {one.name: one.scores for one in rounds}
    for name, table in tables.items():
        check_score(table, name, score)
    rows = pd.DataFrame([row_of(one, score) for one in rounds])
    if len(rounds) == 1:
        return rows
    against = paired_differences(tables, rounds[0].name, [score], each_source=False)
    against = against[["run", "shift", "low", "high", "p_corrected", "verdict"]]
    return rows.merge(against.rename(columns={"run": "round", "p_corrected": "p"}), how="left")


def check_score(table: pd.DataFrame, name: str, score: str) -> None:
    """Raises a ConfigError unless the scores of round `name` have the column `score`."""
    if score not in table:
        raise ConfigError(
            f"bootstrap.score = {score!r}: {name} has no such score; choose from "
            f"{', '.join(column for column in table if column not in KEYS)}."
        )


def row_of(one: Round, score: str) -> dict:
    found = calibration(one.segments, score)
    means = {OVERALL: finite(one.scores[score]).mean()}
    for source, table in one.scores.groupby("source"):
        means[source] = finite(table[score]).mean()
    return {
        "round": one.name,
        "segments": 0 if one.segments is None else len(one.segments),
        "chosen": len(one.chosen),
        "r": found.r if found else np.nan,
        "r_low": found.low if found else np.nan,
        "r_high": found.high if found else np.nan,
        **means,
    }


def calibration(
    segments: pd.DataFrame | None, score: str, confidence: str = CONFIDENCE
) -> Correlation | None:
    """The Correlation of a column of confidences with the true score; None if the score is unknown
    or there are too few segments."""
    if segments is None or score not in segments or confidence not in segments:
        return None
    try:
        return correlate(segments[confidence], segments[score])
    except ConfigError:
        return None


def can_be_drawn(segments: pd.DataFrame, score: str) -> bool:
    """Whether `plot_calibration` can draw all confidences of these segments."""
    columns = confidence_columns(segments)
    return bool(columns) and all(calibration(segments, score, name) for name in columns)


def confidence_table(rounds: list[Round], score: str) -> pd.DataFrame:
    """How well each confidence predicts the true score, for rounds measured on several features.

    Returns:
        DataFrame, a row per round and confidence, such as "confidence (mask)": r with its interval
        and the number of segments.
    """
    measured = [one for one in rounds if one.segments is not None]
    each = [(one, name) for one in measured for name in confidence_columns(one.segments)]
    rows = []
    for one, name in each:
        found = (
            calibration(one.segments, score, name) if name.startswith(f"{CONFIDENCE} (") else None
        )
        if found:
            numbers = {"r": found.r, "r_low": found.low, "r_high": found.high}
            rows.append({"round": one.name, "confidence": name, **numbers, "segments": found.num})
    return pd.DataFrame(rows)


def quintile_table(rounds: list[Round], score: str) -> pd.DataFrame:
    """How good the segments of each round are, by fifths of their confidence, lowest first.

    Returns:
        DataFrame, a row per round and quintile (1 to 5): segments, chosen, lowest and highest
        confidence, and the mean of the true `score` (dB) if the segments have stems.
    """
    return pd.DataFrame(
        [
            {"round": one.name, **row}
            for one in rounds
            if one.segments is not None and CONFIDENCE in one.segments
            for row in fifths(one, score)
        ]
    )


def fifths(one: Round, score: str) -> Iterator[dict]:
    """Rows of `quintile_table`, for the segments that have a confidence."""
    for number, part in one.segments.groupby(quintiles(one.segments[CONFIDENCE])):
        row = {
            "quintile": number,
            "segments": len(part),
            "chosen": len(one.chosen & set(part.index)),
            "lowest": part[CONFIDENCE].min(),
            "highest": part[CONFIDENCE].max(),
        }
        yield {**row, score: finite(part[score]).mean()} if score in part else row


def quintiles(values: pd.Series) -> pd.Series:
    """Series of 1, for the lowest fifth, to 5; missing for values that are NaN."""
    percentile = values.rank(method="first") / values.count()
    return np.ceil(NUM_FIFTHS * percentile).astype("Int64")


def tables_text(
    rounds: pd.DataFrame, confidences: pd.DataFrame, quintiles: pd.DataFrame, score: str
) -> str:
    """The tables as text, without empty ones."""
    parts = [
        f"ROUNDS: mean {score} (dB) on the test set; r of confidence and true {score} of the segments;",
        "shift to round 0 over the same tracks (Hodges-Lehmann), 95 % interval, Wilcoxon's p (Bonferroni)",
        rounds.to_string(
            index=False, float_format="{:z.2f}".format, na_rep="-", formatters=P_COLUMN
        ),
    ]
    if len(confidences):
        parts += [
            "",
            f"CONFIDENCES: r of each and true {score} of the segments, with its 95 % interval",
            confidences.to_string(index=False, float_format="{:z.2f}".format),
        ]
    if len(quintiles):
        parts += [
            "",
            f"QUINTILES: the segments of each round by confidence; mean true {score} (dB)",
            quintiles.to_string(index=False, float_format="{:z.2f}".format, na_rep="-"),
        ]
    return "\n".join(parts) + "\n"
