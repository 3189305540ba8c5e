"""Print and write the report card of a run's scores, and draw them."""

import gin

from audition import configs
from audition.handlers.trackers import send_report
from audition.reports.cards import write_card
from audition.reports.figures import draw_against_input, draw_box_plots, write_figure
from audition.reports.hparams import log_row
from audition.reports.report_card import overall_means
from audition.runs.folder import Run


@gin.configurable(denylist=["run"])
def analyze(run: Run, notes: str = "", each_source: bool = True) -> None:
    """Writes `report_card.txt`, which it also prints, and `report_card.csv`; draws `box_plots.png`,
    and `input_sdr.png`, the improvement over the SI-SDR of the mixture; each as .pdf, too.

    The .csv has a row per track and source, at full precision.

    Args:
        run: one with results.
        notes: text for the card's NOTES box, below the run's name and its point of the sweep.
        each_source: adds a column per source to the overall one.
    """
    card, table = write_card(run, notes, each_source)
    means = overall_means(table)
    log_row(run, {f"test/{name}": mean for name, mean in means.items()})
    send_report(run, means)
    write_figure(run.box_plots, draw_box_plots(table, run.label))
    write_figure(run.input_sdr, draw_against_input(table, run.label))
    configs.write_operative(run.operative("analyze"))
    print(card, end="")
