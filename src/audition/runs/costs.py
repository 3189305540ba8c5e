"""What a run has cost: `cost.json` in its folder, with one entry per step."""

from typing import Any

from audition.files import read_record, write_json
from audition.runs.folder import Run


def read_costs(run: Run) -> dict[str, dict]:
    """dict, "train" or "evaluate" → dict of what it took; `{}` before the first step."""
    return read_record(run.costs)


def record_training(run: Run, epoch: int, seconds: float, peaks: dict[str, int | None]) -> None:
    """Adds the wall time of an epoch, its validation and its checkpoint to that of the training.

    The first epoch starts the count from zero. An epoch killed before its end doesn't count.

    Args:
        epoch: epochs done so far.
        seconds: since the last epoch, or since this process took up the training.
        peaks: what `PeakMemory.measure` says of this process so far.
    """
    before = read_costs(run).get("train", {}) if epoch > 1 else {}
    highest = {
        name: max(filter(None, (peak, before.get(name))), default=None)
        for name, peak in peaks.items()
    }
    seconds += before.get("seconds", 0.0)
    record(run, "train", {"epochs": epoch, "seconds": seconds, **highest})


def record_evaluation(
    run: Run, seconds: float, seconds_of_audio: float, peaks: dict[str, int | None]
) -> None:
    """Notes what the evaluation that just ended took for the tracks that it did itself.

    Args:
        seconds: from reading the first track to scoring the last.
        seconds_of_audio: total length of the mixtures.
        peaks: what `PeakMemory.measure` says.
    """
    record(run, "evaluate", {"seconds": seconds, "seconds_of_audio": seconds_of_audio, **peaks})


def record(run: Run, step: str, amounts: dict[str, Any]) -> None:
    write_json(run.costs, {**read_costs(run), step: amounts})


def duration(seconds: float) -> str:
    """`3 h 05 min`, `12 min`, `40 s`."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes > 1 else f"{seconds:.0f} s"
