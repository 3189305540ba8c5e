"""Pictures of scores: their spread, their relation to a track's difficulty, their means."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audition.files import write_and_rename
from audition.metrics.bss_eval import OF_THE_MIXTURE
from audition.reports.intervals import mean_interval
from audition.reports.listening.sounds import data_uri
from audition.reports.report_card import IMPROVEMENT, SAME_DB, finite, shown_scores, with_unit

if TYPE_CHECKING:  # slow to import: see draw_box_plots
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_COLUMNS = 4  # panels side by side
DOTS_PER_INCH = 150
PAGE_DOTS_PER_INCH = 100
MOST_DOTS = 100  # up to so many tracks, each is a dot; of more, only those beyond the whiskers
INPUT = f"{OF_THE_MIXTURE}SI-SDR"


def write_figure(path: Path, figure: "Figure | None") -> None:
    """Writes a .png, and beside it a .pdf for a paper; without a figure, removes older ones.

    The figure's label, a sentence for those who can't see it, is the description in the .png.
    """
    formats = {"png": {"dpi": DOTS_PER_INCH}, "pdf": {}}
    for name, settings in formats.items():
        one = path.with_suffix(f".{name}")
        if figure is None:
            one.unlink(missing_ok=True)
            continue
        about = {"Description" if name == "png" else "Subject": figure.get_label()}
        with write_and_rename(one, "wb") as file:
            figure.savefig(file, format=name, metadata=about, **settings)


def figure_uri(figure: "Figure") -> str:
    """A figure as a small WebP picture in a data URI, for a page."""
    file = io.BytesIO()
    figure.savefig(file, format="webp", dpi=PAGE_DOTS_PER_INCH, pil_kwargs={"quality": 85})
    return data_uri("image/webp", file.getvalue())


def draw_box_plots(table: pd.DataFrame, title: str = "") -> "Figure | None":
    """A panel per score, a box per source: quartiles and median, whiskers to 1.5 times their range.

    Args:
        table: as of `score_table`.
        title: above the panels: the run.

    Returns:
        matplotlib Figure; None if no score is finite and more than rounding.
    """
    from matplotlib.figure import Figure  # half a second that no other command needs

    sources = sorted(set(table["source"]))
    scores = [
        name
        for name in shown_scores(table)
        if not name.startswith(OF_THE_MIXTURE) and len(finite(table[name]))
    ]
    if not scores:
        return None
    num_columns = min(len(scores), MOST_COLUMNS)
    num_rows = -(-len(scores) // num_columns)
    width_of_names = 0.1 * max(map(len, sources))  # inches
    size = 3 * num_columns + width_of_names, num_rows * (1 + 0.4 * len(sources))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(num_rows, num_columns, sharey=True, squeeze=False)
    for panel, name in zip(panels.flat, scores, strict=False):
        groups = [finite(table.loc[table["source"] == source, name]) for source in sources]
        draw_boxes(panel, groups)
        panel.set_title(with_unit(name), fontsize=10)
    for panel in panels.flat[len(scores) :]:
        panel.remove()
    panels[0, 0].set_yticks(range(1, len(sources) + 1), sources)  # all panels share them
    panels[0, 0].set_ylim(len(sources) + 0.5, 0.5)
    figure.suptitle(title, fontsize=11)
    figure.set_label(
        f"{title}: box plots of {', '.join(scores)} of {', '.join(sources)} over "
        f"{table['track'].nunique()} tracks."
    )
    return figure


def draw_boxes(panel: "Axes", groups: list[pd.Series]) -> None:
    """Horizontal boxes, to fit long names; `groups` is a list of Series of finite scores."""
    few = max(map(len, groups)) <= MOST_DOTS
    panel.boxplot(
        groups,
        orientation="horizontal",
        manage_ticks=False,
        widths=0.6,
        showfliers=not few,
        flierprops={"markersize": 3},
        medianprops={"color": "black"},
    )
    for place, group in enumerate(groups, start=1):
        if few:
            rows = place + np.random.default_rng(0).uniform(-0.2, 0.2, len(group))
            panel.scatter(group, rows, s=10, alpha=0.6, linewidths=0, zorder=3)
    panel.grid(axis="x", alpha=0.3)


def draw_against_input(table: pd.DataFrame, title: str = "") -> "Figure | None":
    """Plots SI-SDRi over the SI-SDR of the mixture, in one colour per source.

    Args:
        table: as of `score_table`.
        title: above the panel: the run.

    Returns:
        matplotlib Figure; None if the table lacks one of them, or if the run improves nothing.
    """
    from matplotlib.figure import Figure

    if not {IMPROVEMENT, INPUT} <= set(table.columns):
        return None
    shown = table[np.isfinite(table[[IMPROVEMENT, INPUT]]).all(axis="columns")]
    if not len(shown) or shown[IMPROVEMENT].abs().max() < SAME_DB:
        return None
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    panel = figure.subplots()
    for source, group in shown.groupby("source"):
        label = f"{source} ({len(group)})"
        panel.scatter(group[INPUT], group[IMPROVEMENT], s=14, alpha=0.6, linewidths=0, label=label)
    panel.axhline(0, color="black", linewidth=1)
    panel.set_title(title, fontsize=11)
    panel.set_xlabel("SI-SDR of the mixture (dB)")
    panel.set_ylabel(f"{IMPROVEMENT} (dB)")
    panel.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    figure.set_label(
        f"{title}: {IMPROVEMENT} over the SI-SDR of the mixture, a dot per track and source, "
        f"{len(shown)} dots."
    )
    return figure


def draw_means(groups: dict[str, pd.Series], score: str) -> "Figure":
    """A bar per group: the mean of its finite scores, with the 95 % interval of `mean_interval`.

    The interval treats the scores in a group as independent, and is about its own bar only: to see
    whether two networks differ on the same tracks, look at their paired differences.

    Args:
        groups: name → scores.
        score: name of the score, for the axis.

    Returns:
        matplotlib Figure.
    """
    from matplotlib.figure import Figure

    shown = {name: finite(scores).to_numpy() for name, scores in groups.items()}
    means = np.array([scores.mean() if len(scores) else np.nan for scores in shown.values()])
    ends = np.array([mean_interval(scores) for scores in shown.values()])
    width = max(0.6, *(0.1 * len(line) for name in shown for line in name.split("\n")))  # inches
    figure = Figure(figsize=(1 + width * len(shown), 3.6), layout="constrained")
    panel = figure.subplots()
    panel.bar(range(len(shown)), means, width=0.7, alpha=0.6)
    panel.errorbar(
        range(len(shown)), means, np.abs(ends.T - means), fmt="none", color="black", capsize=4
    )
    panel.axhline(0, color="black", linewidth=1)
    panel.set_xticks(range(len(shown)), [f"{n}\n({len(scores)})" for n, scores in shown.items()])
    panel.set_ylabel(f"mean {with_unit(score)}")
    panel.grid(axis="y", alpha=0.3)
    bars = zip(shown, means, strict=True)
    figure.set_label(f"Mean {score}: {', '.join(f'{name} {mean:z.2f}' for name, mean in bars)}.")
    return figure
