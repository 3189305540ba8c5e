"""Print and write the report card of a run's scores."""

import gin

from src import configs
from src.errors import ConfigError
from src.files import read_json, write_and_rename
from src.metrics import read_results, report_card, score_table
from src.passports import in_short

MOST_NAMED = 10  # tracks


@gin.configurable(denylist=["run"])
def analyze(run, notes="", each_source=True):
    """Writes `report_card.txt`, which it also prints, and `report_card.csv`.

    The .csv has a row per track and source, at full precision.

    Args:
        run: Run with results.
        notes: text for the card's NOTES box, beside the run's name and its point of the sweep.
        each_source: a column per source beside the overall one.
    """
    table = score_table(run)
    check_one_evaluation(run)
    card = report_card(table, compose_notes(run, notes, table), each_source)
    with write_and_rename(run.report_card_csv) as file:
        table.to_csv(file, index=False)
    with write_and_rename(run.report_card_txt) as file:
        file.write(card)
    configs.write_operative(run.operative("analyze"))
    print(card, end="")


def check_one_evaluation(run):
    """Scores of two settings in one card would mean nothing."""
    if len({result["metadata"]["settings"] for result in read_results(run)}) > 1:
        raise ConfigError(
            f"{run.results} holds results of several separators, checkpoints or metrics: run "
            "evaluate again, which replaces the old ones."
        )


def compose_notes(run, notes, table):
    """What the NOTES box says, one fact per line."""
    lines = [f"run: {run.name}"]
    record = read_json(run.record) if run.record.is_file() else {}
    for binding, value in (record.get("sweep_point") or {}).items():
        lines.append(f"sweep: {binding} = {value!r}")
    lines += evaluation_notes(run, table)
    return "\n".join([*lines, *notes.splitlines()])


def evaluation_notes(run, table):
    """How the scores came to be, and whether tracks are missing."""
    path = run.folder / "evaluation.json"
    if not path.is_file():
        return []
    evaluation = read_json(path)
    lines = [f"separator: {in_short(evaluation['separator'])}"]
    lines += [f"metric: {in_short(metric)}" for metric in evaluation["metrics"]]
    missing = sorted(set(evaluation["tracks"]) - set(table["track"]))
    if missing:
        some = ", ".join(missing[:MOST_NAMED]) + (", …" if len(missing) > MOST_NAMED else "")
        lines.append(f"MISSING: {len(missing)} of {len(evaluation['tracks'])} tracks: {some}")
    return lines
