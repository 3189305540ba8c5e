"""What a run has cost: `cost.json` in its folder, one entry per step."""

from audition.files import read_json, write_json


def read_costs(run):
    """dict, "train" or "evaluate" → dict of what it took; `{}` before the first step."""
    return read_json(run.costs) if run.costs.is_file() else {}


def record_training(run, epoch, seconds, peaks):
    """Adds an epoch, its validation and its checkpoint to the training's wall seconds.

    The first epoch begins anew. What a kill cuts off before the end of an epoch is not counted.

    Args:
        epoch: epochs done so far.
        seconds: since the last epoch, or since the process took up the training.
        peaks: dict, what `PeakMemory.measure` says of this process so far.
    """
    before = read_costs(run).get("train", {}) if epoch > 1 else {}
    highest = {
        name: max(filter(None, (peak, before.get(name))), default=None)
        for name, peak in peaks.items()
    }
    seconds += before.get("seconds", 0.0)
    record(run, "train", {"epochs": epoch, "seconds": seconds, **highest})


def record_evaluation(run, seconds, seconds_of_audio, peaks):
    """Notes what the evaluation took that has just ended: of the tracks that it did itself.

    Args:
        seconds: from the first track read to the last one scored.
        seconds_of_audio: total length of the mixtures.
        peaks: dict, what `PeakMemory.measure` says.
    """
    record(run, "evaluate", {"seconds": seconds, "seconds_of_audio": seconds_of_audio, **peaks})


def record(run, step, amounts):
    write_json(run.costs, {**read_costs(run), step: amounts})


def duration(seconds):
    """`3 h 05 min`, `12 min`, `40 s`."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes > 1 else f"{seconds:.0f} s"
