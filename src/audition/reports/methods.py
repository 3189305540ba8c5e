"""Methods: runs that differ only in their seed are replicates of the same method."""

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from audition.files import read_json
from audition.reports.report_card import KEYS
from audition.runs.folder import Run, sweep_point

SEED = re.compile(r"^train\.seed = (.*)\n", re.MULTILINE)
NO_SETTING = re.compile(r"^(#.*)?\n", re.MULTILINE)  # comments and blank lines
DEFAULT_SEED = "0"  # of train
OF_A_NETWORK = "model_sha256"  # in what evaluation.json says of a separator


class Method(NamedTuple):
    """A row of a comparison.

    Attributes:
        label: label of its only run, or `<first run> (<N> seeds)`.
        runs: label → Run, one per seed.
        trained: whether a network separates, so that its seed is a random choice.
    """

    label: str
    runs: dict[str, Run]
    trained: bool


class Origin(NamedTuple):
    """Where a run's network comes from; a field is None if there is no such thing."""

    settings: tuple[str, str | None] | None  # bindings but the seed; name of a bootstrap's round
    seed: str | None
    network: str | None  # the separator, by content


def group_by_method(runs: dict[str, Run], group_seeds: bool = True) -> dict[str, Method]:
    """The Methods of runs, by label, in the order of their first runs.

    Runs belong to the same method if their config.gin has the same bindings except `train.seed`,
    and both seeds and networks differ: the same network would count twice. Two rounds of a
    bootstrap don't, as each learns from the one before.

    Args:
        group_seeds: False makes each run a method.
    """
    grouped = []  # dicts, label → Origin
    for label, run in runs.items():
        origin = origin_of(run)
        siblings = [one for one in grouped if group_seeds and is_replicate(origin, one.values())]
        if siblings:
            siblings[0][label] = origin
        else:
            grouped.append({label: origin})
    methods = [method_of({name: runs[name] for name in one}, one) for one in grouped]
    return {method.label: method for method in methods}


def origin_of(run: Run) -> Origin:
    about = read_json(run.evaluation) if run.evaluation.is_file() else {}
    separator = json.dumps(about.get("separator"))
    network = separator if OF_A_NETWORK in separator else None
    if not run.config.is_file():
        return Origin(None, None, network)
    text = NO_SETTING.sub("", run.config.read_text())
    seeds = SEED.findall(text) or [DEFAULT_SEED]
    number = run.name if run.name.startswith("round") else None
    return Origin((SEED.sub("", text), number), seeds[-1], network)  # the last binding wins


def is_replicate(origin: Origin, others: Iterable[Origin]) -> bool:
    """Whether it belongs to the same method as the Origins in `others`."""
    return None not in (origin.settings, origin.network) and all(
        one.settings == origin.settings
        and one.seed != origin.seed
        and one.network not in (origin.network, None)
        for one in others
    )


def method_of(runs: dict[str, Run], origins: dict[str, Origin]) -> Method:
    first = next(iter(runs))
    label = f"{first} ({len(runs)} seeds)" if len(runs) > 1 else first
    return Method(label, runs, origins[first].network is not None)


def point_of(method: Method) -> dict:
    """The part of the sweep's point that all its runs share, binding → value."""
    points = [sweep_point(run) for run in method.runs.values()]
    shared = points[0].items()
    return {name: value for name, value in shared if all(p.get(name) == value for p in points)}


def mean_over_seeds(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """A table as of `score_table` with means over the seeds, which are NaN if any score is."""
    if len(tables) == 1:
        return tables[0]
    columns = [column for column in tables[0] if all(column in table for table in tables)]
    scores = pd.concat([table[columns].set_index(KEYS) for table in tables])
    return scores.groupby(KEYS).agg(lambda values: values.mean(skipna=False)).reset_index()
