"""The table and the report card of a run's scores."""

import itertools
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audition.errors import ConfigError
from audition.metrics.bss_eval import IMPROVEMENTS, OF_THE_MIXTURE
from audition.reports.caveats import fault
from audition.runs.folder import Run
from audition.runs.results import read_results

WIDTH = 100
KEYS = ["track", "source"]
OVERALL = "OVERALL"
SUMMARIES = {
    "MEAN ± STD": lambda x: (
        f"{x.mean():z.2f} ± {x.std():.2f}" if len(x) > 1 else f"{x.mean():z.2f}"
    ),
    "MEDIAN": lambda x: f"{x.median():z.2f}",
}
PER_TRACK = "(a source of a track counts once, by the median over its channels or windows)"
NOT_SOURCES = ("metadata",)  # other entries of a result file
RATIO = re.compile(r"(^|[-.])(SDR|SIR|SAR|ISR|SNR|SRR)i?$")  # ends the name of a score in dB
ARTIFACTS = ("SI-SAR", "SAR")
ROUNDING_DB = 120.0  # above, these tell how arithmetic rounds, and nothing about the estimate
IMPROVEMENT = "SI-SDRi"
SAME_DB = 0.005  # two decimals show a smaller improvement as 0.00
ROUNDING = "they only tell how arithmetic rounds"
UNCHANGED = "the estimates are the mixture"


def score_table(run: Run) -> pd.DataFrame:
    """Scores of a run folder.

    Returns:
        one row per track and source, sorted; a column per score. A score with several
        values (channels, windows) becomes their median without NaN, as in nussl and museval.

    Raises:
        ConfigError: there are none, or some can't be used, see `caveats.fault`.
    """
    results = read_results(run.results)
    for name, result in results.items():
        if why := fault(name, result):
            raise ConfigError(
                f"{run.results / name}.json can't be used: {why}; run evaluate again, which scores "
                "such tracks again."
            )
    rows = [row for result in results.values() for row in result_rows(result)]
    if not rows:
        raise ConfigError(f"{run.results} holds no results: run evaluate first.")
    return pd.DataFrame(rows).sort_values(KEYS, ignore_index=True)


def result_rows(result: dict[str, dict]) -> Iterator[dict[str, Any]]:
    track = result["metadata"]["track"]
    for source, scores in result.items():
        if source not in NOT_SOURCES:
            values = {column: median(entries) for column, entries in scores.items()}
            yield {"track": track, "source": source, **values}


def median(entries: list[float]) -> float:
    """Median without NaN; NaN if there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of an all-NaN list
        return float(np.nanmedian(np.array(entries, dtype=float)))


def report_card(
    table: pd.DataFrame, notes: str = "", each_source: bool = True, caveats: Sequence[str] = ()
) -> str:
    """The report card, as text of at most 100 columns.

    Args:
        table: as of `score_table`.
        notes: text of the NOTES box.
        each_source: add a column per source to the overall one.
        caveats: sentences to put above the figures.
    """
    groups = {OVERALL: table}
    if each_source:
        groups |= dict(iter(table.groupby("source")))
    columns = shown_scores(table)
    number = table["track"].nunique()
    lines = [f"{number} track{'s' * (number != 1)}, {len(table)} scored sources", PER_TRACK]
    lines += [line for caveat in caveats for line in textwrap.wrap(caveat, WIDTH)] + [""]
    for title, summary in SUMMARIES.items():
        cells = {name: summarise(group, columns, summary) for name, group in groups.items()}
        lines += [title, *draw_table(columns, cells), ""]
    lines += left_out(table, columns)
    for why, names in meaningless(table).items():
        lines += [*textwrap.wrap(f"Not shown, as {why}: {', '.join(names)}", WIDTH), ""]
    lines += draw_box("NOTES", notes)
    return "\n".join(lines) + "\n"


def summarise(
    group: pd.DataFrame, columns: list[str], summary: Callable[[pd.Series], str]
) -> list[str]:
    """List of texts: the number of rows, then a summary of each column's finite values."""
    texts = [str(len(group))]
    for column in columns:
        values = finite(group[column])
        texts.append(summary(values) if len(values) else "-")
    return texts


def shown_scores(table: pd.DataFrame) -> list[str]:
    """Names of the scores of a table that mean something."""
    hidden = {*KEYS, *itertools.chain(*meaningless(table).values())}
    return [column for column in table if column not in hidden]


def meaningless(table: pd.DataFrame) -> dict[str, list[str]]:
    """dict, why → names of the scores that mean nothing in this table."""
    found = {ROUNDING: rounding_scores(table), UNCHANGED: mixture_scores(table)}
    return {why: names for why, names in found.items() if names}


def rounding_scores(table: pd.DataFrame) -> list[str]:
    """Those that only tell how arithmetic rounds: an estimate that is the mixture has no artifacts,
    and its SI-SAR is the 150 or 310 dB that float32 or float64 rounds to."""
    return [c for c in table if c in ARTIFACTS and finite(table[c]).median() > ROUNDING_DB]


def mixture_scores(table: pd.DataFrame) -> list[str]:
    """If all estimates are the mixture, but for its level: the improvements over it, and the MIX-
    scores, which repeat the others; else none."""
    gains = finite(table[IMPROVEMENT]) if {IMPROVEMENT, "SI-SDR"} <= set(table) else []
    if not len(gains) or gains.abs().max() >= SAME_DB:
        return []
    over = [f"{score}i" for score in IMPROVEMENTS]
    return [c for c in table if c in over or c.startswith(OF_THE_MIXTURE)]


def with_unit(score: str) -> str:
    """The name of a score with its unit, where that is known: `SI-SDRi (dB)`."""
    return f"{score} (dB)" if is_ratio(score) else score


def is_ratio(score: str) -> bool:
    """Whether a score is in dB, by its name: that of one of nussl's or museval's ratios."""
    return RATIO.search(score) is not None


def finite(column: pd.Series) -> pd.Series:
    return column[np.isfinite(column)]


def overall_means(table: pd.DataFrame) -> dict[str, float]:
    """dict, score → mean over all sources of all tracks, without scores that are never finite."""
    means = {name: finite(table[name]).mean() for name in table.columns if name not in KEYS}
    return {name: float(mean) for name, mean in means.items() if np.isfinite(mean)}


def left_out(table: pd.DataFrame, columns: list[str]) -> list[str]:
    """Lines that say which values are in no mean or median."""
    lines = []
    for column in columns:
        missing, infinite = int(table[column].isna().sum()), int(np.isinf(table[column]).sum())
        if missing or infinite:
            lines.append(f"  {column}: {missing} not defined (NaN), {infinite} infinite")
    if not lines:
        return []
    head = "Left out of the figures above (NaN: a silent source; infinite: a perfect estimate, or mixture)"
    return [head, *lines, ""]


def draw_table(rows: list[str], cells: dict[str, list[str]]) -> list[str]:
    """Lines of a table: row names, then one right-aligned column per entry of `cells`, in as many
    blocks as `WIDTH` requires."""
    names = ["#", *rows]
    name_width = max(len(name) for name in names)
    lines, block, used = [], [], name_width
    for title, texts in cells.items():
        width = max(len(text) for text in (title, *texts))
        if block and used + 3 + width > WIDTH:
            lines += [*draw_block(names, name_width, block), ""]
            block, used = [], name_width
        block.append((title, texts, width))
        used += 3 + width
    return lines + draw_block(names, name_width, block)


def draw_block(
    names: list[str], name_width: int, block: list[tuple[str, list[str], int]]
) -> list[str]:
    head = " | ".join([" " * name_width, *(f"{title:^{width}}" for title, _, width in block)])
    rule = "-+-".join(["-" * name_width, *("-" * width for _, _, width in block)])
    lines = [head.rstrip(), rule]
    for number, name in enumerate(names):
        row = [f"{name:<{name_width}}", *(f"{texts[number]:>{width}}" for _, texts, width in block)]
        lines.append(" | ".join(row))
    return lines


def draw_box(title: str, text: str) -> list[str]:
    """Lines of a box around `text`, whose lines are wrapped."""
    inner = WIDTH - 4
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, inner) or [""]]
    body = [f"| {line:<{inner}} |" for line in lines]
    return [f"+- {title} ".ljust(WIDTH - 1, "-") + "+", *body, "+" + "-" * (WIDTH - 2) + "+"]
