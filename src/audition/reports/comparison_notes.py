"""Notes below a comparison: what its numbers mean, and what to beware of."""

from collections.abc import Hashable, Iterator

import pandas as pd

from audition.reports.caveats import Caveats
from audition.reports.evaluations import Evaluation, other_code, other_versions
from audition.reports.intervals import LEVEL
from audition.reports.methods import Method
from audition.reports.report_card import OVERALL


def notes_on(
    differences: pd.DataFrame,
    baseline: str,
    methods: dict[str, Method],
    evaluations: dict[str, Evaluation],
    caveats: dict[str, Caveats],
    groups: dict[str, Hashable] | None = None,
    margin: float | None = None,
) -> list[str]:
    """All the notes, as lines.

    Args:
        differences: as of `paired_differences`.
        baseline: label of the method that the others are compared to.
        methods: by label.
        evaluations, caveats: by the label of a run.
        groups, margin: see `paired_differences`.
    """
    first = next(iter(methods[baseline].runs))
    lower = evaluations[first].lower_is_better
    lines = list(explain(differences, baseline, lower, margin)) if len(differences) else []
    return [
        *lines,
        *about_seeds(methods),
        *about_groups(groups, differences),
        *(f"{label}: {line}" for label, one in caveats.items() for line in one.lines),
        *left_out(differences),
        *warnings(evaluations, first),
    ]


def explain(
    differences: pd.DataFrame, baseline: str, lower_is_better: list[str], margin: float | None
) -> Iterator[str]:
    """Lines that explain the table's numbers."""
    count = differences["comparisons"].max()
    yield (
        f"shift: Hodges and Lehmann's estimate of the difference to {baseline}, the median of the "
        "averages of all pairs of tracks' differences; a track scores the mean of its sources."
    )
    yield (
        "95 % interval: of the shift, by inverting the signed-rank test; jointly 95 % for the "
        f"{count} comparisons of one metric (Bonferroni)."
    )
    yield (
        f"p: Wilcoxon's signed-rank test over tracks, times the {count} comparisons of one metric. "
        "The verdict is better or worse where the interval excludes 0; 'not shown' means that "
        "neither a difference nor its absence was shown."
    )
    if margin is not None:
        yield f"equivalent: the interval lies within ±{margin} dB (compare.margin; two one-sided tests)."
    if lower_is_better:
        yield f"Lower is better: {', '.join(lower_is_better)}."
    if (differences["verdict"] == "mixed").any():
        yield "mixed: shifted to one side, while the mean difference lies on the other."
    if (differences["verdict"] == "too few tracks").any():
        yield (
            "too few tracks: whatever their scores, no p corrected for "
            f"{count} comparisons could fall below {100 * LEVEL:.0f} %."
        )


def about_seeds(methods: dict[str, Method]) -> Iterator[str]:
    """Lines that say whether verdicts are about networks or about methods."""
    trained = [method for method in methods.values() if method.trained]
    if any(len(method.runs) > 1 for method in trained):
        yield (
            "seeds ± std: networks that differ in train.seed alone, and the spread of their mean "
            "scores; scores are averaged over them, and intervals treat seeds and tracks as random."
        )
    if one := [method.label for method in trained if len(method.runs) == 1]:
        yield (
            f"One seed: {', '.join(one)}: the verdict is about these networks on these tracks, not "
            "about the methods; train each with several values of train.seed."
        )


def about_groups(groups: dict[str, Hashable] | None, differences: pd.DataFrame) -> Iterator[str]:
    if groups is not None and len(differences):
        yield (
            f"Groups: {len(set(groups.values()))} groups of tracks (metadata 'group': a speaker, a "
            "song) are the independent units, each with the mean of its tracks."
        )


def left_out(differences: pd.DataFrame) -> Iterator[str]:
    overall = differences[differences["source"] == OVERALL]
    for row in overall[(overall["left_out"] > 0) | (overall["infinite"] > 0)].itertuples():
        yield (
            f"{row.metric} of {row.run}: {row.left_out} pairs of scores left out because one is "
            f"undefined; {row.infinite} tracks with an infinite difference count in shift and p only."
        )


def warnings(evaluations: dict[str, Evaluation], baseline: str) -> Iterator[str]:
    for label, one in evaluations.items():
        if others := other_versions(evaluations[baseline], one):
            yield f"WARNING: {baseline} and {label} were scored by {', '.join(others)}."
        for what in other_code(evaluations[baseline], one):
            yield f"WARNING: {what}."
    changed = [label for label, one in evaluations.items() if one.is_uncommitted]
    if changed and len(evaluations) > 1:
        yield f"WARNING: {', '.join(changed)}: scored by code with uncommitted changes."
