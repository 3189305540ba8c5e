"""Draw how the confidence of segments relates to their true scores."""

import logging
from pathlib import Path

import gin

from audition.bootstrap.calibration import draw_calibration
from audition.bootstrap.confidence import confidence_columns
from audition.bootstrap.segments import segment_table
from audition.errors import ConfigError
from audition.files import write_json
from audition.reports.figures import write_figure
from audition.runs.folder import Run

log = logging.getLogger(__name__)


@gin.configurable(denylist=["run"])
def plot_calibration(
    run: Run | None, segments: str | Path = gin.REQUIRED, score: str = "SI-SDRi"
) -> None:
    """Writes `<segments>/calibration.png`, `.pdf` and, with the same numbers, `calibration.json`.

    One panel per measure of confidence, and per kind of features if several were measured, with r
    and its 95 % interval by Fisher's z, which assumes independent segments.

    Args:
        run: not used; segments belong to no run.
        segments: folder that segment_and_separate filled, from data with sources.
        score: "SI-SDRi" for the mean over sources, "vocals.SI-SDRi" for one source.
    """
    folder = Path(segments)
    table = segment_table(folder)
    measures = confidence_columns(table)
    if score not in table or not measures:
        raise ConfigError(
            f"plot_calibration needs {score} and a confidence of each segment, and the segments "
            f"in {str(folder)!r} have {', '.join(map(str, table.columns))}: "
            "separate data with sources."
        )
    figure, found = draw_calibration(table, measures, score, title_of(folder))
    write_figure(folder / "calibration.png", figure)
    write_json(
        folder / "calibration.json",
        {"score": score, "measures": {name: fit._asdict() for name, fit in found.items()}},
    )
    for name, fit in found.items():
        log.info(
            "%s: r = %.2f, 95 %% interval %.2f to %.2f, N = %d",
            *(name, fit.r, fit.low, fit.high, fit.num),
        )


def title_of(folder: Path) -> str:
    """`round1/segments`: the folder and the one around it."""
    return "/".join(folder.resolve().parts[-2:])
