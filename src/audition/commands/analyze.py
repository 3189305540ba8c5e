"""Print and write the report card of a run's scores, and draw them."""

import gin

from audition import configs
from audition.files import read_json, write_and_rename
from audition.identity import in_short
from audition.reports.caveats import read_caveats
from audition.reports.evaluations import check_one_evaluation
from audition.reports.figures import draw_against_input, draw_box_plots, write_figure
from audition.reports.hparams import log_row
from audition.reports.report_card import overall_means, report_card, score_table
from audition.runs.folder import sweep_point
from audition.runs.results import read_results

MOST_NAMED = 10  # tracks


@gin.configurable(denylist=["run"])
def analyze(run, notes="", each_source=True):
    """Writes `report_card.txt`, which it also prints, and `report_card.csv`; draws `box_plots.png`,
    and `input_sdr.png`, the improvement over the SI-SDR of the mixture.

    The .csv has a row per track and source, at full precision.

    Args:
        run: Run with results.
        notes: text for the card's NOTES box, beside the run's name and its point of the sweep.
        each_source: a column per source beside the overall one.
    """
    table = score_table(run)
    check_one_evaluation(run, list(read_results(run.results).values()))
    caveats = read_caveats(run).lines
    card = report_card(table, compose_notes(run, notes, table), each_source, caveats)
    with write_and_rename(run.report_card_csv) as file:
        table.to_csv(file, index=False)
    with write_and_rename(run.report_card_txt) as file:
        file.write(card)
    log_row(run, {f"test/{name}": mean for name, mean in overall_means(table).items()})
    write_figure(run.box_plots, draw_box_plots(table))
    write_figure(run.input_sdr, draw_against_input(table))
    configs.write_operative(run.operative("analyze"))
    print(card, end="")


def compose_notes(run, notes, table):
    """What the NOTES box says, one fact per line."""
    lines = [f"run: {run.name}"]
    for binding, value in sweep_point(run).items():
        lines.append(f"sweep: {binding} = {value!r}")
    lines += evaluation_notes(run, table)
    return "\n".join([*lines, *notes.splitlines()])


def evaluation_notes(run, table):
    """How the scores came to be, and whether tracks are missing."""
    if not run.evaluation.is_file():
        return []
    evaluation = read_json(run.evaluation)
    lines = [f"separator: {in_short(evaluation['separator'])}"]
    lines += [f"metric: {in_short(metric)}" for metric in evaluation["metrics"]]
    missing = sorted(set(evaluation["tracks"]) - set(table["track"]))
    if missing:
        some = ", ".join(missing[:MOST_NAMED]) + (", …" if len(missing) > MOST_NAMED else "")
        lines.append(f"MISSING: {len(missing)} of {len(evaluation['tracks'])} tracks: {some}")
    return lines
