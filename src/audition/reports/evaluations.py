"""What a run's scores were measured on, and whether those of several runs can be compared."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import nussl

from audition.audio import large
from audition.errors import ConfigError
from audition.files import read_json
from audition.identity import fingerprint, without_addresses
from audition.runs.folder import Run
from audition.runs.results import read_results

if TYPE_CHECKING:  # comparing needs no separators
    from audition.separators import Track


class Evaluation(NamedTuple):
    """How a run was scored, and on what."""

    label: str
    metrics: dict[str, dict]  # name of the class → its passport
    packages: dict[str, str]  # name → version
    audio: dict[str, dict]  # track that has a result → what `fingerprints` says of it
    asked: list[str]  # names of all tracks of the test set
    code: dict[str, dict | None]  # "made", "scored" → state of git at that time, None if unknown
    groups: dict[str, str]  # track → its group, for tracks that have one

    @property
    def missing(self) -> list[str]:
        """Tracks of the test set without a result."""
        return sorted(set(self.asked) - set(self.audio))

    @property
    def lower_is_better(self) -> list[str]:
        return [name for metric in self.metrics.values() for name in metric["lower_is_better"]]

    @property
    def is_uncommitted(self) -> bool:
        return any(git and git["dirty"] for git in self.code.values())


def fingerprints(track: "Track") -> dict[str, Any]:
    """Fingerprints of the mixture and its sources, by content: two copies of a corpus have the same
    ones, and another recording under the same name doesn't.

    Args:
        track: has `mix`, an AudioSignal, and `sources`, a dict of them.
    """
    sources = {name: audio_fingerprint(source) for name, source in track.sources.items()}
    return {"mix": audio_fingerprint(track.mix), "sources": sources}


def audio_fingerprint(signal: nussl.AudioSignal) -> str:
    """Hashes float32, which is exact for 16 and 24 bits and rounds off the last bit of sums."""
    audio, sha256 = signal.audio_data, hashlib.sha256()
    for channel in audio:
        for part in large.blocks(audio.shape[1]):
            sha256.update(np.ascontiguousarray(channel[part], np.float32))
            large.release(audio)
    content = {"shape": list(audio.shape), "sha256": sha256.hexdigest()[:16]}
    return fingerprint([signal.sample_rate, {"dtype": "float32", **content}])  # as `array_passport`


def read_evaluation(run: Run, label: str) -> Evaluation:
    """The Evaluation of a run; `label` is its name in errors."""
    results = list(read_results(run.results).values())
    check_one_evaluation(run, results)
    abouts = [result["metadata"] for result in results]
    if not run.evaluation.is_file() or not all("audio" in about for about in abouts):
        raise ConfigError(
            f"{run.results} doesn't say what audio was scored, so it can't be compared: an older "
            "version wrote it; evaluate again."
        )
    settings = without_addresses(read_json(run.evaluation))
    return Evaluation(
        label,
        {metric["class"]: metric for metric in settings["metrics"]},
        settings["packages"],
        {about["track"]: about["audio"] for about in abouts},
        settings["tracks"],
        {"made": git_of(run.record), "scored": settings.get("git")},
        {about["track"]: about["group"] for about in abouts if "group" in about},
    )


def git_of(record: Path) -> dict | None:
    return read_json(record).get("git") if record.is_file() else None


def check_one_evaluation(run: Run, results: list[dict]) -> None:
    """Refuses results of several settings, whose mean would be meaningless.

    Args:
        results: what `read_results` reads of the run.
    """
    if len({result["metadata"]["settings"] for result in results}) > 1:
        raise ConfigError(
            f"{run.results} holds results of several separators, checkpoints or metrics: run "
            "evaluate again, which replaces the old ones."
        )


def check_comparable(one: Evaluation, other: Evaluation) -> None:
    """Raises a ConfigError that names the difference, unless both are scores of the same kind, on
    the same audio.

    Separators and models may differ, since they are what is compared. So may versions of packages:
    they change scores in distant digits, if at all; `other_versions` lists them.
    """
    what = other_metrics(one, other) or other_tracks(one, other) or other_audio(one, other)
    if what:
        raise ConfigError(f"{one.label} and {other.label} can't be compared: {what}.")


def other_metrics(one: Evaluation, other: Evaluation) -> str | None:
    """What differs in how they were scored, in words; None if nothing does."""
    if set(one.metrics) != set(other.metrics):
        names = [", ".join(sorted(evaluation.metrics)) for evaluation in (one, other)]
        return (
            f"one is scored by {names[0]}, the other by {names[1]}; use the same evaluate.metrics"
        )
    for name, metric in one.metrics.items():
        if difference := first_difference(flat(metric), flat(other.metrics[name])):
            key, values = difference
            return (
                f"{name}.{key} is {values[0]!r} in one and {values[1]!r} in the other; set it alike"
            )
    return None


def flat(metric: dict[str, Any]) -> dict[str, Any]:
    """A metric's passport with its settings on the same level."""
    return {**metric, **metric["settings"], "settings": None}


def first_difference(one: dict, other: dict) -> tuple[str, tuple[Any, Any]] | None:
    """`(key, (value, value))` for the first key in which two dicts differ, else None."""
    for key in {**one, **other}:
        if one.get(key) != other.get(key):
            return key, (one.get(key), other.get(key))
    return None


def other_tracks(one: Evaluation, other: Evaluation) -> str | None:
    for has, lacks in ((one, other), (other, one)):
        if missing := sorted(set(has.audio) - set(lacks.audio)):
            return (
                f"{len(missing)} of the {len(has.audio)} tracks of {has.label} have no result in "
                f"{lacks.label}, such as {missing[0]!r}; evaluate both on the same test set"
            )
    return None


def other_audio(one: Evaluation, other: Evaluation) -> str | None:
    for track, audio in one.audio.items():
        sources, others = audio["sources"], other.audio[track]["sources"]
        if set(sources) != set(others):
            return (
                f"track {track!r} has the sources {', '.join(sources)} in one and "
                f"{', '.join(others)} in the other; evaluate both on the same sources"
            )
        signals = {"mix": audio["mix"], **sources}
        if difference := first_difference(signals, {"mix": other.audio[track]["mix"], **others}):
            return (
                f"the audio of {difference[0]} of track {track!r} is not the same; evaluate both "
                "on the same test set"
            )
    return None


def other_versions(one: Evaluation, other: Evaluation) -> list[str]:
    """Packages that affect scores and differ, as `numpy 2.4.6 and 2.4.5`."""
    both = {name: (one.packages.get(name), other.packages.get(name)) for name in one.packages}
    return [
        f"{name} {mine} and {theirs}" for name, (mine, theirs) in both.items() if mine != theirs
    ]


def other_code(one: Evaluation, other: Evaluation) -> Iterator[str]:
    """Sentences about runs that were made or scored by different commits of this code."""
    for what in one.code:
        gits = one.code[what], other.code[what]
        if None not in gits and gits[0]["commit"] != gits[1]["commit"]:
            commits = " and ".join(git["commit"][:7] for git in gits)
            yield f"{one.label} and {other.label} were {what} by commits {commits}"
