"""Selects the segments to learn from: a rule gets their table and returns which rows to keep."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import gin
import pandas as pd

from audition.errors import ConfigError
from audition.files import read_json

MARKER = "selection.json"  # in a folder of links: what was chosen, and which links we made


@gin.register
@dataclass(frozen=True)
class PercentilesBetween:
    """Keeps the rows between two percentiles of `column`, counted from its lowest value.

    The fifths 0-20, 20-40, … 80-100 don't overlap, and together keep every row that has a value.

    Args:
        perc_min, perc_max: 0 to 100.
        column: a column of the table; "confidence" is silhouette × posterior.
    """

    perc_min: float
    perc_max: float
    column: str = "confidence"

    def __call__(self, table: pd.DataFrame) -> pd.Series:
        values = column_of(table, self.column, "PercentilesBetween")
        percentile = 100 * values.rank(method="first") / max(1, values.count())
        return (percentile > self.perc_min) & (percentile <= self.perc_max)


@gin.register
@dataclass(frozen=True)
class LabelIn:
    """Keeps the rows whose `column` ("label", "track", …) is in `labels`, or is that one label."""

    labels: tuple | str
    column: str = "label"

    def __call__(self, table: pd.DataFrame) -> pd.Series:
        labels = [self.labels] if isinstance(self.labels, str) else list(self.labels)
        return column_of(table, self.column, "LabelIn").isin(labels)


def column_of(table: pd.DataFrame, column: str, rule: str) -> pd.Series:
    if column not in table:
        raise ConfigError(
            f"{rule}.column = {column!r} is not a column of the segments; choose from "
            f"{', '.join(map(str, table.columns))}."
        )
    return table[column]


def select(table: pd.DataFrame, rules: Iterable[Callable]) -> pd.DataFrame:
    """The rows that every rule keeps; each rule sees only what the rules before it kept."""
    for rule in rules:
        table = table[rule(table)]
        if table.empty:
            raise ConfigError(
                f"construct_symlink_folder.rules: {rule} leaves no segment; loosen the rules."
            )
    return table


def chosen_segments(destination: Path) -> frozenset[str]:
    """Names of the segments that are linked in `destination`."""
    return frozenset(Path(link).stem for link in read_json(destination / MARKER)["links"])
