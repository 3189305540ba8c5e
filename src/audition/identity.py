"""What a thing is, as JSON: for keys that must change when, and only when, a result would.

A class is known by its name and its settings, never by the module it lives in, so moving it changes
no key. Up to version 0.1 the module was part of the name; `former` still spells descriptions that
way, so that we recognise what those versions wrote.
"""

import enum
import hashlib
import json
import os
from importlib import metadata
from pathlib import Path
from typing import Any

PLAIN = (str, int, float, bool, type(None))
FORMER_MODULES = {
    "src.datasets.audio_folder": ("AudioFolder",),
    "src.datasets.corpora": ("FUSS", "MUSDB18", "WHAM", "MixSourceFolder", "OnTheFly", "Scaper"),
    "src.datasets.filters": ("LongerThan", "NamedLike", "NotSilent", "ShorterThan"),
    "src.datasets.loud_regions": ("LoudRegions",),
    "src.datasets.mixing": ("BalancedMixer", "CoherentMixer", "IncoherentMixer"),
    "src.datasets.remix": ("RemixStems",),
    "src.datasets.scenes": ("Scene",),
    "src.datasets.selection": ("LabelIn", "PercentilesBetween"),
    "src.datasets.transforms": ("KeepSources",),
    "src.features": ("SpectrogramFeatures", "WaveformFeatures"),
    "src.metrics.bss_eval": ("BSSEvalScale", "BSSEvalV4"),
    "src.metrics.masks": ("PrecisionRecallFScore",),
    "src.separators.base": ("Separator",),
    "src.separators.ensembles": ("PrimitiveEnsemble",),
    "src.separators.melody": ("PredominantMelody",),
    "src.separators.networks": ("EmbeddingClustering", "MaskEstimation", "WaveformEstimation"),
    "src.separators.nussl_separators": ("NusslSeparator",),
}
FORMER_ADDRESSES = {
    name: f"{module}.{name}" for module, names in FORMER_MODULES.items() for name in names
}
V4_SILENCE = "windows with a silent source are NaN, and left out of the median"
FORMER_WORDS = {
    V4_SILENCE: "windows with a silent source or estimate are NaN, and left out of the median"
}
NAMES_OF_ADDRESSES = {old: new for new, old in {**FORMER_ADDRESSES, **FORMER_WORDS}.items()}


def describe(thing: Any) -> Any:
    """JSON-able description of a setting, an array, or an object and its settings.

    An object may describe itself in a method `passport()`. Any other is described by its class and
    its public attributes: those that start with _ must not shape a result. Equal descriptions mean
    equal results, in this process and in the next.
    """
    if isinstance(thing, PLAIN):
        return thing
    if isinstance(thing, Path | enum.Enum):  # their attributes don't tell two apart
        return str(thing)
    if hasattr(thing, "passport") and not isinstance(thing, type):
        return thing.passport()
    if isinstance(thing, dict):
        return {str(key): describe(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [describe(value) for value in thing]
    if isinstance(thing, set | frozenset):  # whose order differs between processes
        return sorted((describe(value) for value in thing), key=str)
    if hasattr(thing, "tobytes"):
        return array_passport(thing)
    if hasattr(thing, "__qualname__"):
        return Name(thing.__qualname__, former_address(thing), thing.__module__)
    return {"class": describe(type(thing)), "settings": describe(public_attributes(thing))}


class Name(str):
    """What a class or function is called, wherever it lives, such as `CoherentMixer`.

    Attributes:
        former: what versions up to 0.1 wrote instead, such as `src.datasets.mixing.CoherentMixer`.
        module: where it is defined; empty for what is no class or function.
    """

    def __new__(cls, name: str, former: str, module: str = ""):
        self = super().__new__(cls, name)
        self.former, self.module = former, module
        return self

    def __getnewargs__(self):
        return str(self), self.former, self.module


def former_address(thing: Any) -> str:
    if thing.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return FORMER_ADDRESSES.get(thing.__qualname__, thing.__qualname__)
    return f"{thing.__module__}.{thing.__qualname__}"


def former(description: Any) -> Any:
    """A description as versions up to 0.1 wrote it."""
    if isinstance(description, Name):
        return description.former
    if isinstance(description, dict):
        return {key: former(value) for key, value in description.items()}
    if isinstance(description, list):
        return [former(value) for value in description]
    return description


def without_addresses(stored: Any) -> Any:
    """A description read from a file, with today's names in place of addresses."""
    if isinstance(stored, dict):
        named = {key: without_addresses(value) for key, value in stored.items()}
        if {"class", "settings"} <= set(named) and isinstance(named["class"], str):
            named["class"] = named["class"].rpartition(".")[2]
        return named
    if isinstance(stored, list):
        return [without_addresses(value) for value in stored]
    return NAMES_OF_ADDRESSES.get(stored, stored) if isinstance(stored, str) else stored


def public_attributes(thing: Any) -> dict[str, Any]:
    return {k: v for k, v in getattr(thing, "__dict__", {}).items() if not k.startswith("_")}


def in_short(description: Any) -> str:
    """A description as one line, for people: `BSSEvalV4(window_seconds=1.0, …)`."""
    if isinstance(description, dict):
        if not {"class", "settings"} <= set(description):
            description = {"class": "", "settings": description}
        name = description["class"].rpartition(".")[2]
        settings = [f"{key}={in_short(value)}" for key, value in description["settings"].items()]
        return f"{name}({', '.join(settings)})"
    if isinstance(description, list):
        return f"[{', '.join(in_short(entry) for entry in description)}]"
    return str(description)


def array_passport(array: Any) -> dict:
    content = hashlib.sha256(array.tobytes()).hexdigest()[:16]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": content}


def public_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Dict, package → version without its build: torch's CPU and CUDA wheels count as one."""
    return {package: metadata.version(package).partition("+")[0] for package in packages}


def fingerprint(value: Any) -> str:
    """16 hex digits that change with the JSON-able `value`, but not with the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path: str | Path) -> str:
    """sha256 of a file's content, as 64 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_state(path: str | Path) -> list[int] | None:
    """Size in bytes and modification time in nanoseconds of a file; None where it is missing."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns]
