"""What readers of scores must know besides the numbers: oracles, silence, best matches, copies."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import nussl

from audition.files import read_json
from audition.identity import fingerprint
from audition.metrics.former import leaves_open
from audition.metrics.scores import si_sdr, silent
from audition.runs.folder import Run
from audition.runs.results import read_results

MARK = " (oracle)"  # behind the name of a run
COPY_DB = 80.0  # SI-SDR that no separation reaches, and a copy in 16 bits does
ORACLES = ("IdealBinaryMask", "IdealRatioMask")
LOOKS = (
    "ORACLE: its separator looks at the true sources; it shows what could be reached, and is not "
    "ranked against runs that don't look."
)
COPIES = (
    "ORACLE: its estimates copy the true sources, to 80 dB or more, in {} tracks, such as {!r}."
)


class Caveats(NamedTuple):
    """What to beware of in a run's scores.

    Attributes:
        oracle: whether the true sources went into its estimates.
        lines: sentences for people.
    """

    oracle: bool
    lines: list[str]


def observe(
    references: dict[str, nussl.AudioSignal],
    estimates: list[nussl.AudioSignal],
    mix: nussl.AudioSignal,
) -> dict[str, list[str]]:
    """What a result records about its estimates besides their scores.

    Args:
        estimates: in the order of the references, as they were scored.
    """
    pairs = [(*item, one) for item, one in zip(references.items(), estimates, strict=True)]
    heard = [(name, source, one) for name, source, one in pairs if not silent(source)]
    return {
        "silent_estimates": [name for name, _, one in heard if silent(one)],
        "copied_sources": [name for name, *pair in heard if is_copy(*pair, mix)],
    }


def is_copy(source: nussl.AudioSignal, estimate: nussl.AudioSignal, mix: nussl.AudioSignal) -> bool:
    """Whether an estimate copies its source, unless the mixture contains nothing else."""
    ((copied, alone),) = (si_sdr([source], [estimate, mix]) > COPY_DB).any(axis=-1)
    return bool(copied and not alone)


def fault(name: str, result: dict) -> str | None:
    """Why a result file of evaluate can't be used; None if it can.

    Args:
        name: the file's name, without .json.
        result: its content.
    """
    about = result["metadata"]
    scores = {source: columns for source, columns in result.items() if source != "metadata"}
    if about["track"] != name:
        return f"it is of track {about['track']!r}"
    if "scores" in about and about["scores"] != fingerprint(scores):
        return "its scores are not those that evaluate wrote"
    if leaves_open(scores, about):
        return "version 0.1 wrote it, which left out what may be silent estimates"
    return None


def read_caveats(run: Run) -> Caveats:
    """The Caveats of the results in a run folder."""
    abouts = [result["metadata"] for result in read_results(run.results).values()]
    path = run.evaluation
    named = path.is_file() and names_an_oracle(read_json(path).get("separator"))
    looked = named or any(about.get("looked_at_sources") for about in abouts)
    copies = [about["track"] for about in abouts if about.get("copied_sources")]
    lines = [LOOKS] if looked else []
    lines += [COPIES.format(len(copies), copies[0])] if copies else []
    return Caveats(bool(lines), [*lines, *silence(abouts), *choices(abouts), *duplicates(abouts)])


def names_an_oracle(description: object) -> bool:
    """Whether a separator's description in evaluation.json contains one of nussl's oracles."""
    if isinstance(description, dict):
        name = str(description.get("class")).rpartition(".")[2]
        truth = name == "WienerFilter" and description["settings"].get("estimates") is None
        return name in ORACLES or truth or any(map(names_an_oracle, description.values()))
    return isinstance(description, list) and any(map(names_an_oracle, description))


def silence(abouts: list[dict]) -> Iterator[str]:
    found = [about for about in abouts if about.get("silent_estimates")]
    if found:
        number = sum(len(about["silent_estimates"]) for about in found)
        yield (
            f"SILENT: {number} estimates in {len(found)} tracks, such as {found[0]['track']!r}; they "
            "count, each with the worst possible score."
        )


def choices(abouts: list[dict]) -> Iterator[str]:
    found = [
        about for about in abouts if about.get("num_estimates", 0) > about.get("num_sources", 0)
    ]
    if found:
        counts = f"{found[0]['num_sources']} of {found[0]['num_estimates']}"
        yield (
            f"CHOSEN BY THE TRUTH: there are more estimates than sources, and the best are scored "
            f"({counts} in {found[0]['track']!r}), in {len(found)} tracks."
        )


def duplicates(abouts: list[dict]) -> Iterator[str]:
    same = defaultdict(list)
    for about in abouts:
        same[fingerprint(about.get("audio", about["track"]))].append(about["track"])
    found = [names for names in same.values() if len(names) > 1]
    if found:
        yield (
            f"SAME AUDIO: {len(found)} tracks count more than once, under several names, such as "
            f"{found[0][0]!r} and {found[0][1]!r}."
        )
