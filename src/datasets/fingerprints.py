"""What a corpus is made of, in plain values that can be compared and stored."""

import enum
import hashlib
import types
from pathlib import Path

import numpy as np

from src.datasets.filters import mix_path
from src.files import fingerprint

# attributes of a nussl dataset that say where it lies, or what stands in an entry of its own
NOT_CONTENT = {
    *("folder", "items", "metadata", "musdb", "stft_params", "post_cache_transforms"),
    *("transform", "sample_rate", "num_channels"),
}


def describe_content(corpus):
    """dict, JSON-able, of all that shapes the waveforms of `corpus`, and of no path or date."""
    dataset = corpus.dataset
    settings = {key: value for key, value in vars(dataset).items() if key not in NOT_CONTENT}
    return {
        "dataset": type(dataset).__name__,
        "settings": describe(settings),
        "transform": describe(dataset.transform),
        "sample_rate": corpus.sample_rate,
        "num_channels": corpus.num_channels,
        "source_names": corpus.source_names,
        "num_items": len(corpus),
        "items": fingerprint([corpus.names, sizes(dataset)]),
    }


def sizes(dataset):
    """Bytes of each item's mixture file; None where it has no file."""
    paths = (mix_path(dataset, item) for item in dataset.items)
    return [None if path is None else path.stat().st_size for path in paths]


def describe(value):
    """A value as JSON-able text and numbers that are the same in every process.

    An object is its class and its public attributes, a function its name.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value)).hexdigest()[:16]
    if isinstance(value, Path | enum.Enum):
        return str(value)
    if isinstance(value, dict):
        return {str(k): describe(v) for k, v in value.items() if not str(k).startswith("_")}
    if isinstance(value, set | frozenset):
        return sorted(describe(entry) for entry in value)
    if isinstance(value, list | tuple):
        return [describe(entry) for entry in value]
    if isinstance(value, type | types.FunctionType | types.MethodType | types.BuiltinFunctionType):
        return value.__qualname__
    return {"class": type(value).__qualname__, **describe(getattr(value, "__dict__", {}))}
