"""nussl's transforms and NumPy's numbers as data: a description, or a stand-in that does nothing.

An allow-list of classes is not enough for a pickle: it may call a class with any arguments, and
`nussl.datasets.transforms.Cache(folder, 1, True)` deletes that folder. So nothing that a file names is
called while it is read. Stand-ins note the arguments, and what they describe is made afterwards.
"""

import re
from typing import Any

import numpy as np
import torch
from nussl.datasets import transforms

from audition.errors import ConfigError

# What transforms are made from: argument → the attribute that keeps it. Cache, which writes and
# deletes, is not among them.
TRANSFORMS = {
    "Compose": {"transforms": "transforms"},
    "GetAudio": {"mix_key": "mix_key", "source_key": "source_key"},
    "GetExcerpt": {
        "excerpt_length": "excerpt_length",
        "time_dim": "time_dim",
        "tf_keys": "time_frequency_keys",
    },
    "IndexSources": {"target_key": "target_key", "index": "index"},
    "LabelsToOneHot": {"source_key": "source_key"},
    "MagnitudeSpectrumApproximation": {"mix_key": "mix_key", "source_key": "source_key"},
    "MagnitudeWeights": {"mix_key": "mix_key", "mix_magnitude_key": "mix_magnitude_key"},
    "PhaseSensitiveSpectrumApproximation": {
        name: name for name in ("mix_key", "source_key", "range_min", "range_max")
    },
    "SumSources": {name: name for name in ("groupings", "group_names", "source_key")},
    "ToSeparationModel": {"swap_tf_dims": "swap_tf_dims"},
}
NUMBERS = re.compile(r"[<>|=]?[?biuf][1248]?")  # dtypes without references to anything
MAX_DEPTH = 50
MAX_ENTRIES = 200_000


def described(transform: Any) -> dict[str, Any] | None:
    """`{"class": …, "settings": {…}}` of one of nussl's transforms, JSON-able; None of None.

    Raises:
        ConfigError: it is not one of nussl's.
    """
    if transform is None:
        return None
    name = type(transform).__name__
    if name not in TRANSFORMS or type(transform) is not getattr(transforms, name):
        raise ConfigError(
            f"train.features' nussl_transform() returns a {name}, which a model file can't hold: "
            "return nussl's own transforms, or None."
        )
    settings = {key: getattr(transform, kept) for key, kept in TRANSFORMS[name].items()}
    if name == "Compose":
        settings["transforms"] = [described(one) for one in settings["transforms"]]
    return {"class": name, "settings": settings}


def rebuilt(description: dict[str, Any]) -> Any:
    """The transform that `described` describes; any other description raises."""
    name, settings = description["class"], dict(description["settings"])
    if name not in TRANSFORMS or not set(settings) <= set(TRANSFORMS[name]):
        raise ValueError(f"no transform {name!s:.80} with such settings")
    if name == "Compose":
        settings["transforms"] = [rebuilt(one) for one in settings["transforms"]]
    return getattr(transforms, name)(**settings)


class Named:
    """What a pickle names, called or built: it keeps what it is given."""

    def __new__(cls, *arguments):
        self = super().__new__(cls)
        self.arguments, self.state = arguments, {}
        return self

    def __setstate__(self, state):
        self.state = state


def stand_in(name: str) -> type[Named]:
    return type(name, (Named,), {})


SCALAR, ARRAY = stand_in("scalar"), stand_in("_reconstruct")
DTYPE, STFT_PARAMS = stand_in("dtype"), stand_in("STFTParams")
STAND_INS = {
    "nussl.core.audio_signal.STFTParams": STFT_PARAMS,
    "numpy.dtype": DTYPE,
    "numpy.ndarray": stand_in("ndarray"),
    # what NumPy 1 and 2 call the same two functions
    "numpy.core.multiarray.scalar": SCALAR,
    "numpy._core.multiarray.scalar": SCALAR,
    "numpy.core.multiarray._reconstruct": ARRAY,
    "numpy._core.multiarray._reconstruct": ARRAY,
    **{f"{transforms.__name__}.{name}": stand_in(name) for name in TRANSFORMS},
}


class Revived:
    """Turns stand-ins into plain values and descriptions, in nested containers of bounded size.

    Lists in a pickle may hold each other many times over, so that few bytes unfold to many entries.
    """

    def __init__(self):
        self.num_entries = 0

    def __call__(self, value: Any, depth: int = 0) -> Any:
        self.num_entries += 1
        if depth > MAX_DEPTH or self.num_entries > MAX_ENTRIES:
            raise ValueError("nested too deep, or too large")
        if isinstance(value, Named):
            return self.object(value, depth)
        if isinstance(value, dict):
            return {plain(key): self(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list | tuple):
            kind = list if isinstance(value, list) else tuple
            return kind(self(one, depth + 1) for one in value)
        return plain(value)

    def object(self, value: Named, depth: int) -> Any:
        if isinstance(value, STFT_PARAMS):
            return self(value.arguments, depth + 1)
        if isinstance(value, SCALAR):
            dtype, content = value.arguments
            return np.frombuffer(content, number_type(dtype), count=1)[0].item()
        if isinstance(value, ARRAY):
            return array(value)
        name, state = type(value).__name__, self(value.state, depth + 1)
        arguments = TRANSFORMS[name].items()
        return {"class": name, "settings": {key: state[kept] for key, kept in arguments}}


def plain(value: Any) -> Any:
    if not isinstance(value, str | int | float | bytes | type(None) | torch.Tensor):
        raise TypeError(f"holds a {type(value).__name__}")
    return value


def number_type(dtype: Any) -> np.dtype:
    """The type that a pickle describes, provided that it is one of plain numbers."""
    code, order = dtype.arguments[0], dtype.state[1] if dtype.state else "|"
    if not isinstance(dtype, DTYPE) or not NUMBERS.fullmatch(code):
        raise TypeError("not a type of numbers")
    return np.dtype(code).newbyteorder(order)


def array(value: Named) -> np.ndarray:
    _, shape, dtype, by_columns, content = value.state
    numbers = np.frombuffer(content, number_type(dtype))
    return numbers.reshape(shape, order="F" if by_columns else "C").copy()
