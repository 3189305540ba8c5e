"""What a thing is, as JSON: for keys that must change when, and only when, a result would."""

import enum
import hashlib
from importlib import metadata
from pathlib import Path

PLAIN = (str, int, float, bool, type(None))


def describe(thing):
    """JSON-able description of a setting, an array or an object and its settings.

    An object that knows better says so in its own `passport()`; others are their class and their
    public attributes: what has a _ in front shapes nothing. Two equal descriptions mean the same
    result, in this process and in the next one.
    """
    if isinstance(thing, PLAIN):
        return thing
    if isinstance(thing, Path | enum.Enum):  # their attributes would not tell two apart
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
        return f"{thing.__module__}.{thing.__qualname__}"
    return {"class": describe(type(thing)), "settings": describe(public_attributes(thing))}


def public_attributes(thing):
    return {k: v for k, v in getattr(thing, "__dict__", {}).items() if not k.startswith("_")}


def in_short(description):
    """A description as a line for people: `BSSEvalV4(window_seconds=1.0, …)`."""
    if isinstance(description, dict):
        if not {"class", "settings"} <= set(description):
            description = {"class": "", "settings": description}
        name = description["class"].rpartition(".")[2]
        settings = [f"{key}={in_short(value)}" for key, value in description["settings"].items()]
        return f"{name}({', '.join(settings)})"
    if isinstance(description, list):
        return f"[{', '.join(in_short(entry) for entry in description)}]"
    return str(description)


def array_passport(array):
    content = hashlib.sha256(array.tobytes()).hexdigest()[:16]
    return {"dtype": str(array.dtype), "shape": list(array.shape), "sha256": content}


def public_versions(packages):
    """Dict, package → version without its build: torch's CPU and CUDA wheels count as one."""
    return {package: metadata.version(package).partition("+")[0] for package in packages}
