"""What the table of runs says about each one: a summary of its scores, and what it cost."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audition.reports.caveats import MARK, read_caveats
from audition.reports.report_card import is_ratio
from audition.runs.costs import duration, read_costs
from audition.runs.folder import Run

if TYPE_CHECKING:  # which imports all that separates
    from audition.reports.listening.runs import Evaluated

GIBIBYTE = 2**30


def run_facts(evaluated: "Evaluated", metric: str) -> dict[str, str]:
    """dict, heading → text.

    Args:
        evaluated: has `run`, `table` (its scores) and `settings` (its evaluation.json).
    """
    caveats = read_caveats(evaluated.run)
    name = evaluated.settings["separator"]["class"].rpartition(".")[2]
    return {
        "separator": f"{name}{MARK if caveats.oracle else ''}",
        "beware": " ".join(caveats.lines) or "–",
        "tracks": str(evaluated.table.track.nunique()),
        **score_facts(evaluated.table[metric], metric),
        **cost_facts(evaluated.run),
    }


def score_facts(values: pd.Series, metric: str) -> dict[str, str]:
    """dict, heading → text, for the finite scores of all tracks and sources."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return {f"{metric}, mean ± std": "–", f"{metric}, median": "–"}
    std = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    unit = " dB" if is_ratio(metric) else ""
    return {
        f"{metric}, mean ± std": f"{values.mean():z.2f}{std}{unit}",
        f"{metric}, median": f"{np.median(values):z.2f}{unit}",
    }


def training_fact(train: dict[str, Any]) -> str:
    plural = "" if train["epochs"] == 1 else "s"
    return f"{duration(train['seconds'])}, {train['epochs']} epoch{plural}"


def cost_facts(run: Run) -> dict[str, str]:
    """dict, heading → text, from `cost.json`; – for what it lacks."""
    costs = read_costs(run)
    train, evaluate = costs.get("train"), costs.get("evaluate")
    return {
        "training": training_fact(train) if train else "–",
        "peak memory in training": memory(train),
        "evaluation": duration(evaluate["seconds"]) if evaluate else "–",
        "separated and scored at": f"{speed(evaluate):.3g} × real time" if evaluate else "–",
        "peak memory in evaluation": memory(evaluate),
    }


def speed(evaluation: dict[str, float]) -> float:
    """Seconds of audio separated and scored per second."""
    return evaluation["seconds_of_audio"] / max(evaluation["seconds"], 1e-3)


def memory(cost: dict[str, Any] | None) -> str:
    """`1.2 GiB`, followed by the memory of GPUs if any were used."""
    if not cost:
        return "–"
    text = f"{cost['peak_memory_bytes'] / GIBIBYTE:.2g} GiB"
    on_gpus = cost["peak_gpu_memory_bytes"]
    return f"{text}, GPU {on_gpus / GIBIBYTE:.2g} GiB" if on_gpus else text
