"""Notes below a comparison: what its numbers mean, and what to beware of."""

from audition.reports.evaluations import other_code, other_versions
from audition.reports.intervals import LEVEL
from audition.reports.report_card import OVERALL


def notes_on(
    differences, baseline, methods, evaluations, caveats, groups=None, margin=None
) -> list[str]:
    """All the notes, as lines.

    Args:
        differences: DataFrame as of `paired_differences`.
        baseline: label of the method that the others are compared to.
        methods: dict, label → Method.
        evaluations, caveats: dicts, label of a run → Evaluation, Caveats.
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


def explain(differences, baseline, lower_is_better, margin):
    """Lines that explain the table's numbers."""
    count = differences["comparisons"].max()
    yield (
        f"shift: to {baseline}, by Hodges and Lehmann: the median over pairs of tracks of their mean "
        "difference, a track's being the mean of its sources'."
    )
    yield (
        f"95 % interval: of the shift, by the signed-rank test; the {count} of one metric hold "
        "together (Bonferroni)."
    )
    yield (
        f"p: Wilcoxon signed-rank test over tracks, times the {count} comparisons of one metric; a "
        "verdict is given where the interval excludes 0, and else nothing is shown, neither a "
        "difference nor that there is none."
    )
    if margin is not None:
        yield f"equivalent: the interval lies within ±{margin} dB (compare.margin; two one-sided tests)."
    if lower_is_better:
        yield f"Lower is better: {', '.join(lower_is_better)}."
    if (differences["verdict"] == "mixed").any():
        yield "mixed: shifted to one side, while the mean difference lies on the other."
    if (differences["verdict"] == "too few tracks").any():
        yield (
            "too few tracks: whatever their scores, no p, corrected over "
            f"{count} comparisons, could reach {100 * LEVEL:.0f} %."
        )


def about_seeds(methods):
    """Lines that say whether verdicts are about networks or about methods."""
    trained = [method for method in methods.values() if method.trained]
    if any(len(method.runs) > 1 for method in trained):
        yield (
            "seeds ± std: networks that differ in train.seed alone, and how far their mean scores "
            "scatter; scores are means over them, and intervals take seeds and tracks as chance."
        )
    if one := [method.label for method in trained if len(method.runs) == 1]:
        yield (
            f"One seed: {', '.join(one)}: what is said is of these networks on these tracks, not of "
            "the methods; train each with several values of train.seed."
        )


def about_groups(groups, differences):
    if groups is not None and len(differences):
        yield (
            f"Groups: {len(set(groups.values()))} groups of tracks (metadata 'group': a speaker, a "
            "song) count as the independent units, each by the mean of its tracks."
        )


def left_out(differences):
    overall = differences[differences["source"] == OVERALL]
    for row in overall[(overall["left_out"] > 0) | (overall["infinite"] > 0)].itertuples():
        yield (
            f"{row.metric} of {row.run}: {row.left_out} pairs of scores left out, as one isn't "
            f"defined; {row.infinite} tracks whose difference is infinite count in shift and p only."
        )


def warnings(evaluations, baseline):
    for label, one in evaluations.items():
        if others := other_versions(evaluations[baseline], one):
            yield f"WARNING: {baseline} and {label} were scored by {', '.join(others)}."
        for what in other_code(evaluations[baseline], one):
            yield f"WARNING: {what}."
    changed = [label for label, one in evaluations.items() if one.is_uncommitted]
    if changed and len(evaluations) > 1:
        yield f"WARNING: {', '.join(changed)}: the code had changes that are in no commit."
