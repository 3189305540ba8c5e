"""All of nussl's separation algorithms as separators, under their own names in gin."""

import copy
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import nussl
import torch
from nussl.separation.base.separation_base import SeparationBase, SeparationException
from nussl.separation.primitive import Repet

from audition import weights
from audition.audio.signals import signal_like
from audition.errors import ConfigError
from audition.identity import describe, file_sha256
from audition.separators.base import Separation, Separator
from audition.separators.told_apart import asked_features, features_of

SEPARATORS = {
    "nussl.separation.benchmark": (
        "HighLowPassFilter",
        "IdealBinaryMask",
        "IdealRatioMask",
        "MixAsEstimate",
        "WienerFilter",
    ),
    "nussl.separation.composite": ("EnsembleClustering", "OverlapAdd"),
    "nussl.separation.deep": ("DeepAudioEstimation", "DeepClustering", "DeepMaskEstimation"),
    "nussl.separation.factorization": ("ICA", "RPCA"),
    "nussl.separation.primitive": (
        "FT2D",
        "HPSS",
        "Melodia",
        "Repet",
        "RepetSim",
        "TimbreClustering",
    ),
    "nussl.separation.spatial": ("Duet", "Projet", "SpatialClustering"),
}
MIX_ARGUMENTS = ("input_audio_signal", "audio_signals")  # nussl's names for the signal to separate
STEREO_ONLY = ("Duet", "Projet", "SpatialClustering")
MELODIA_PLUGIN = "mtg-melodia:melodia"
ORACLES = ("IdealBinaryMask", "IdealRatioMask")  # their `sources` are the track's


class NusslSeparator(Separator):
    """A nussl separation class and its arguments, from which each mixture gets a new object.

    An argument may itself be a separator, or a list of them (EnsembleClustering.separators,
    OverlapAdd.separation_object): these are built on the same mixture. `WienerFilter.estimates` may
    be any separator, whose estimates are used; without it, WienerFilter gets the true sources.
    nussl's Projet never uses its `estimates`, so they are refused. ICA's components are returned as
    they sound in each channel of the mixture, in any order: score them with compute_permutation.

    Args:
        algorithm: class, a SeparationBase.
        arguments: the arguments of its constructor besides the signals.
    """

    def __init__(self, algorithm: type, arguments: dict[str, Any]):
        self.algorithm = algorithm
        self.arguments = arguments
        self.feature_keys = self.own_features

    @property
    def own_features(self) -> tuple[str, ...]:
        return ("mask",) if self.algorithm.__name__ == "DeepMaskEstimation" else ()

    def __repr__(self):
        return f"{self.algorithm.__name__}({self.arguments})"

    def located(self, folder: Path) -> Self:
        arguments = {name: locate(value, folder) for name, value in self.arguments.items()}
        if arguments.get("model_path") is not None:
            arguments["model_path"] = str(require_file(Path(folder, arguments["model_path"]), self))
        separator = copy.copy(self)
        separator.arguments = arguments
        return separator

    def with_features(self, names: Sequence[str] = ()) -> Self:
        if not self.own_features:
            return self
        path = self.arguments["model_path"]
        model, _ = weights.load(path)
        separator = copy.copy(self)
        separator.feature_keys = asked_features(names, model.output_keys, path)
        return separator

    def check(self, data) -> None:
        name = self.algorithm.__name__
        if name == "Melodia":
            require_melodia()
        if wants_other_channels(name, data.num_channels):
            raise ConfigError(
                f"{name} separates by the differences between two channels, and the test data has "
                f"{data.num_channels}: choose another separator."
            )
        if name == "Projet" and self.arguments.get("estimates") is not None:
            raise ConfigError(
                "Projet.estimates is bound, and nussl's Projet starts from random ones whatever it is "
                "given: take the binding out."
            )
        for separator in self.inner():
            separator.check(data)

    def rehearsing(self, folder: Path, model: Any, metadata: dict, data: Any) -> None:
        """None: an argument, or a separator among them, may read what the training will write."""

    def passport(self) -> dict:
        arguments = dict(self.arguments)
        if arguments.get("model_path") is not None:
            arguments["model_sha256"] = file_sha256(arguments.pop("model_path"))[:16]
        return {"class": describe(self.algorithm), "settings": describe(arguments)}

    def inner(self) -> list[Separator]:
        """The separators among the arguments, in the order in which `build` meets them."""
        lists = [v if holds_separators(v) else [v] for v in self.arguments.values()]
        return [entry for entries in lists for entry in entries if isinstance(entry, Separator)]

    def on_device(self, mixes: list[nussl.AudioSignal], device: torch.device) -> list[list]:
        outputs = [separator.on_device(mixes, device) for separator in self.inner()]
        return [[output[index] for output in outputs] for index in range(len(mixes))]

    def finish(
        self,
        mix: nussl.AudioSignal,
        device_output: list | None = None,
        sources: Mapping | None = None,
    ) -> Separation:
        built = self.build(mix, device_output, sources)
        estimates, features = run(built), features_of(built, self.feature_keys)
        if self.algorithm.__name__ == "ICA":
            estimates = images(mix, estimates)
        return Separation(estimates, features, built.audio_signal if features else None)

    def build(
        self,
        mix: nussl.AudioSignal,
        device_output: list | None = None,
        sources: Mapping | None = None,
    ) -> SeparationBase:
        """The nussl object that separates this mixture."""
        outputs = iter(device_output or [None] * len(self.inner()))
        arguments = {
            name: realise(name, value, mix, outputs, sources)
            for name, value in self.arguments.items()
        }
        if self.algorithm.__name__ in ORACLES:
            arguments["sources"] = require_sources(self, sources)
        if self.algorithm.__name__ == "WienerFilter" and arguments.get("estimates") is None:
            arguments["estimates"] = list(require_sources(self, sources).values())
        mix_argument = name_of_mix(self.algorithm)
        return self.algorithm(**({mix_argument: mix} if mix_argument else {}), **arguments)


def run(built: SeparationBase) -> list[nussl.AudioSignal]:
    """The estimates, or a ConfigError if the mixture is too short for REPET to find a period."""
    try:
        return built()
    except (SeparationException, ValueError) as error:
        if not isinstance(built, Repet):
            raise
        seconds = built.audio_signal.signal_duration
        raise ConfigError(
            f"nussl.separation.primitive.Repet finds no period in this mixture of {seconds:.2f} s "
            f"({error}): use longer mixtures, or set Repet.min_period (seconds) or Repet.period "
            "below a third of that."
        ) from error


def images(mix: nussl.AudioSignal, components: list[nussl.AudioSignal]) -> list[nussl.AudioSignal]:
    """ICA's components, of one channel and any gain, as they sound in each channel of the mix.

    They add up to the mix, less its offset: the gains are those of least squares.
    """
    audio = np.concatenate([one.audio_data for one in components])
    gains = np.linalg.lstsq(audio.T, mix.audio_data.T, rcond=None)[0]  # (component, channel)
    return [signal_like(mix, np.outer(*both)) for both in zip(gains, audio, strict=True)]


def wants_other_channels(name: str, num_channels: int) -> bool:
    """Whether an algorithm that separates by the differences of channels can't on this many."""
    return (name in STEREO_ONLY and num_channels != 2) or (name == "ICA" and num_channels < 2)


def holds_separators(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(entry, Separator) for entry in value)


def locate(value: Any, folder: Path) -> Any:
    if holds_separators(value):
        return [locate(entry, folder) for entry in value]
    return value.located(folder) if isinstance(value, Separator) else value


def realise(
    name: str, value: Any, mix: nussl.AudioSignal, outputs: Iterator, sources: Mapping | None
) -> Any:
    """An argument for nussl: a separator becomes a nussl object, or signals for `estimates`."""
    if isinstance(value, Separator):
        output = next(outputs)
        if name == "estimates":
            return value.separate(mix, output, sources).estimates
        if not isinstance(value, NusslSeparator):
            raise ConfigError(
                f"{name} = {type(value).__name__}() can't be part of a nussl separator: use one of "
                "nussl's own there, such as @nussl.separation.deep.DeepMaskEstimation()."
            )
        return value.build(mix, output, sources)
    if holds_separators(value):
        return [realise(name, entry, mix, outputs, sources) for entry in value]
    return value


def require_sources(separator: NusslSeparator, sources: Mapping | None) -> dict:
    if sources is None:
        raise ConfigError(
            f"{separator.algorithm.__name__} is an oracle and needs the true sources, which this "
            "data doesn't have: choose another separator."
        )
    return dict(sources)  # nussl accepts no other kind of mapping


def require_file(path: Path, separator: NusslSeparator) -> Path:
    if not path.is_file():
        raise ConfigError(
            f"{separator.algorithm.__name__}.model_path = {str(path)!r} doesn't exist: train "
            "first, or give the path of a checkpoint."
        )
    return path.resolve()


def require_melodia() -> None:
    if (
        not nussl.vamp_imported
        or MELODIA_PLUGIN not in importlib.import_module("vamp").list_plugins()
    ):
        raise ConfigError(
            "nussl.separation.primitive.Melodia needs the Python package vamp and the Melodia "
            "vamp plugin: pip install --no-build-isolation vamp, and set VAMP_PATH to the plugin's "
            "folder; or use @PredominantMelody() with PredominantMelody.tracker = @EssentiaMelodia()."
        )


def name_of_mix(algorithm: type) -> str | None:
    """Name of the constructor's signal argument; None for OverlapAdd, whose inner object has it."""
    parameters = inspect.signature(algorithm).parameters
    return next((name for name in MIX_ARGUMENTS if name in parameters), None)


def separator_recipe(algorithm: type, kind: type[NusslSeparator] = NusslSeparator) -> Callable:
    """A function with the constructor's signature minus the signals; returns a `kind`."""
    signature = recipe_signature(algorithm)

    def recipe(*positional, **named):
        try:
            given = signature.bind(*positional, **named)
        except TypeError as error:
            raise ConfigError(
                f"{algorithm.__name__}: {error}; bind it in the .gin file, where "
                f"{algorithm.__name__} takes {signature}."
            ) from error
        arguments = dict(given.arguments)
        extra = arguments.pop("kwargs", {})
        return kind(algorithm, {**arguments, **extra})

    recipe.__name__ = recipe.__qualname__ = algorithm.__name__
    recipe.__doc__ = algorithm.__doc__
    recipe.__signature__ = signature
    return recipe


def recipe_signature(algorithm: type) -> inspect.Signature:
    hidden = {*MIX_ARGUMENTS, *(["sources"] if algorithm.__name__ in ORACLES else [])}
    signature = inspect.signature(algorithm)
    parameters = [p for name, p in signature.parameters.items() if name not in hidden]
    if algorithm.__name__ == "WienerFilter":
        parameters = [p.replace(default=None) if p.name == "estimates" else p for p in parameters]
    return signature.replace(parameters=parameters)


def nussl_recipes() -> dict[str, Callable]:
    """The recipe of each nussl separator, by its dotted name."""
    return {
        f"{module_path}.{name}": separator_recipe(
            getattr(importlib.import_module(module_path), name)
        )
        for module_path, names in SEPARATORS.items()
        for name in names
    }
