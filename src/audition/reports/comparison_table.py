"""The table of a comparison, as numbers for pandas and as text for terminals, notes and papers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from audition.reports.comparison import (
    Difference,
    score_columns,
    scores_by_seed,
    several_sources,
)
from audition.reports.report_card import KEYS, OVERALL, finite

ROW = ["metric", "source", "run"]  # what a row is about; swept parameters follow
SUMMARY = ["tracks", "seeds", "seed_std", "mean", "std", "median"]
COUNTS = ["tracks", "seeds", "pairs", "units", "left_out", "infinite", "comparisons"]
SEEDS = "seeds ± std"
NUMBERS = ["tracks", SEEDS, "mean ± std", "median", "shift", "95 % interval", "p"]
BASELINE = "baseline"
MAX_WIDTH = 140  # of a line of the plain table, in characters


def long_table(
    tables: dict[str, pd.DataFrame],
    points: dict[str, dict[str, Any]],
    differences: pd.DataFrame,
    baseline: str,
    columns: Sequence[str] | None = None,
    each_source: bool = True,
    seeds: dict[str, list[pd.DataFrame]] | None = None,
) -> pd.DataFrame:
    """All numbers, at full precision.

    Args:
        tables: label → table as of `score_table`; of several seeds, their mean.
        points: label → swept binding → value.
        differences: as of `paired_differences`.
        baseline: label.
        columns: scores to show; None: all.
        each_source: also rows per source.
        seeds: label → one table per seed, of the methods that are trained.

    Returns:
        DataFrame, a row per metric, source and method: its point of the sweep; the number of tracks
        and of seeds; the std over seeds of a seed's mean score; as in the report card, mean, std and
        median of the finite scores; its difference.
    """
    seeds = seeds or {}
    sources = [OVERALL, *several_sources(tables)] if each_source else [OVERALL]
    rows = []
    for column in columns or score_columns(tables):
        for source in sources:
            for label in (one for one in tables if column in tables[one]):
                scores, *by_seed = scores_by_seed(tables, seeds, label, column, source)
                about = dict(zip(ROW, (column, source, label), strict=True))
                rows.append({**about, **summary(finite(scores)), **spread(by_seed)})
    shown = pd.DataFrame(rows, columns=[*ROW, *SUMMARY])
    shown = with_points(shown, points, score_columns(tables))
    found = differences.rename(columns={"tracks": "pairs"})
    whole = shown.merge(found, on=ROW, how="left").astype(dict.fromkeys(COUNTS, "Int64"))
    is_baseline = (whole["run"] == baseline) & whole["metric"].isin(found["metric"])
    whole["verdict"] = whole["verdict"].mask(is_baseline, BASELINE)
    return whole


def joined_scores(
    tables: dict[str, pd.DataFrame], points: dict[str, dict[str, Any]]
) -> pd.DataFrame:
    """All scores of all runs in one table.

    Args:
        tables, points: as of `long_table`.

    Returns:
        DataFrame, a row per run, track and source: run, its point of the sweep, and what
        `score_table` has.
    """
    joined = pd.concat([table.assign(run=label) for label, table in tables.items()])
    columns = ["run", *joined.columns.drop("run")]
    return with_points(joined[columns].reset_index(drop=True), points, score_columns(tables))


def with_points(
    table: pd.DataFrame, points: dict[str, dict[str, Any]], scores: list[str]
) -> pd.DataFrame:
    """`table` with a column per swept binding after `run`; none shares its name with a score."""
    first = table.columns.get_loc("run") + 1
    for place, (name, title) in enumerate(short_names(points, scores).items(), start=first):
        values = [points[label].get(name) for label in table["run"]]
        table.insert(place, title, pd.Series(values, dtype=object))  # else None makes 1 to 1.0
    return table


def summary(scores: pd.Series) -> dict[str, float]:
    return {
        "tracks": scores.index.get_level_values("track").nunique(),
        "mean": scores.mean(),
        "std": scores.std(),
        "median": scores.median(),
    }


def spread(by_seed: list[pd.Series]) -> dict[str, Any]:
    means = pd.Series([finite(scores).mean() for scores in by_seed], dtype=float)
    return {"seeds": len(means) or pd.NA, "seed_std": means.std()}


def short_names(points: dict[str, dict[str, Any]], scores: list[str]) -> dict[str, str]:
    """dict, swept binding → title of its column: its last part, if that is unique."""
    names = list(dict.fromkeys(name for point in points.values() for name in point))
    last = [name.split(".")[-1] for name in names]
    taken = {
        *KEYS,
        *ROW,
        *SUMMARY,
        *NUMBERS,
        *COUNTS,
        *Difference._fields,
        "p_corrected",
        "verdict",
    }
    taken |= set(scores)
    return {
        name: short if last.count(short) == 1 and short not in taken else name
        for name, short in zip(names, last, strict=True)
    }


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: every cell a rounded text, "" where there is nothing.

    Args:
        table: as of `long_table`.
    """
    swept = swept_columns(table)
    text = table[[*ROW, *swept]].map(lambda value: "" if pd.isna(value) else str(value))
    text["tracks"] = table["tracks"].astype(str)
    if table["seeds"].notna().any():
        seeds = zip(table["seeds"], table["seed_std"], strict=True)
        text[SEEDS] = ["" if pd.isna(number) else of_seeds(number, std) for number, std in seeds]
    text["mean ± std"] = [
        plus_minus(*pair) for pair in zip(table["mean"], table["std"], strict=True)
    ]
    text["median"] = table["median"].map(rounded)
    if table["verdict"].notna().any():
        ends = zip(table["low"], table["high"], strict=True)
        text["shift"] = table["shift"].map(lambda value: rounded(value, "+"))
        text["95 % interval"] = [interval(*pair) for pair in ends]
        text["p"] = table["p_corrected"].map(probability)
        text["verdict"] = table["verdict"].fillna("")
    return text


def swept_columns(table: pd.DataFrame) -> list[str]:
    return list(table.columns[len(ROW) : table.columns.get_loc(SUMMARY[0])])


def rounded(value: float, sign: str = "") -> str:
    return "" if np.isnan(value) else f"{value:{sign}z.2f}"


def plus_minus(mean: float, std: float) -> str:
    return rounded(mean) if np.isnan(std) else f"{rounded(mean)} ± {std:.2f}"


def of_seeds(number: int, std: float) -> str:
    return str(number) if np.isnan(std) else f"{number} ± {std:.2f}"


def interval(low: float, high: float) -> str:
    unknown = np.isnan(low) or np.isinf([low, high]).all()
    return "" if unknown else f"[{rounded(low)}, {rounded(high)}]"


def probability(p: float) -> str:
    if np.isnan(p):
        return ""
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def to_plain(text: pd.DataFrame, notes: list[str]) -> str:
    """Plain text; if lines would get too long, the sweep is listed below, a line per run."""
    table = aligned(text)
    if len(table.partition("\n")[0]) > MAX_WIDTH:
        table = aligned(text.drop(columns=swept_columns(text)))
        notes = [*legend(text), *notes]
    return "\n\n".join([table, "\n".join(notes)]).rstrip() + "\n"


def aligned(text: pd.DataFrame) -> str:
    return text.set_index([c for c in text.columns if c not in (*NUMBERS, "verdict")]).to_string()


def legend(text: pd.DataFrame) -> Iterator[str]:
    """`<run>: <swept> = <value>, …`, for the runs that are part of a sweep."""
    for run, *values in text[["run", *swept_columns(text)]].drop_duplicates().to_numpy():
        pairs = zip(swept_columns(text), values, strict=True)
        if said := ", ".join(f"{name} = {value}" for name, value in pairs if value):
            yield f"{run}: {said}"


def to_markdown(text: pd.DataFrame, notes: list[str]) -> str:
    head = [list(text.columns), ["---:" if name in NUMBERS else "---" for name in text.columns]]
    lines = [[cell.replace("|", "\\|") for cell in row] for row in [*head, *text.to_numpy()]]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([table, *notes]) + "\n"


def to_latex(text: pd.DataFrame, notes: list[str]) -> str:
    r"""A tabular for `\usepackage{booktabs}`, with the notes as comments."""
    again = text[["metric", "source"]].eq(text[["metric", "source"]].shift()).cummin(axis="columns")
    frame = text.assign(**text[["metric", "source"]].mask(again, ""))
    numbers = [name for name in text.columns if name in NUMBERS]
    style = frame.style.hide(axis="index").format(escape="latex").format(in_math, subset=numbers)
    tabular = style.format_index(escape="latex", axis="columns").to_latex(
        hrules=True,
        column_format="".join("r" if name in NUMBERS else "l" for name in text.columns),
    )
    comments = ["% needs \\usepackage{booktabs}", *(f"% {note}" for note in notes)]
    return "\n".join([*comments, tabular.replace("±", r"$\pm$")])


def in_math(cell: str) -> str:
    formula = cell.replace("±", r"\pm")
    return f"${formula}$" if cell else ""
