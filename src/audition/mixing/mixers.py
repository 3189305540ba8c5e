"""Mixtures of a folder's files, drawn on request from Scaper's event distributions.

    OnTheFly.mix_closure = @CoherentMixer()

Mixture `i` depends on `(seed, i)` alone: every process makes the same one, in whatever order.
"""

from pathlib import Path
from typing import Any

import gin
import numpy as np
import nussl
import soundfile

from audition.errors import ConfigError
from audition.mixing.loud_regions import LoudRegions
from audition.mixing.scenes import Mixture, Scene, draw, told_by

MAX_DRAWS = 100  # attempts to find an unused label, or a file that is loud somewhere
BALANCE = 1  # keeps the choice of a mixer independent of what that mixer draws with the same seed
OVERHANG_SECONDS = 1e-3  # a stem may end this much before its master


class Mixer:
    """Base of the mixers: holds the scene and the seed, and turns a plan into audio."""

    def __call__(self, dataset: nussl.datasets.OnTheFly, i: int) -> dict:
        """Item `i` of an OnTheFly dataset."""
        mixture = self.mix(i)
        rate = self.sample_rate
        if dataset.sample_rate not in (None, rate):
            raise ConfigError(
                f"OnTheFly.sample_rate = {dataset.sample_rate}, but Scene.sample_rate = {rate}; "
                "they must agree."
            )
        sources = {
            name: dataset._load_audio_from_array(audio.T, rate)
            for name, audio in mixture.sources.items()
        }
        mix = dataset._load_audio_from_array(mixture.mix.T, rate)
        events = [observation.value for observation in mixture.jam.annotations[0].data]
        return {
            "mix": mix,
            "sources": sources,
            "metadata": {"labels": [*sources], "events": events},
        }

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.scene.sample_rate

    def mix(self, i: int, attempt: int = 0) -> Mixture:
        """Mixture `i`; another `attempt` draws it again, to replace one that is too quiet."""
        random = np.random.RandomState([self.seed, i, attempt])
        with told_by(type(self).__name__):
            return self.scene.render(self.plan(random), random)

    def plan(self, random: np.random.RandomState) -> list:
        """List of EventSpecs with fixed values, one per source."""
        raise NotImplementedError

    def draw_event(self, label: str, parameters: dict, random: np.random.RandomState) -> Any:
        """An EventSpec with fixed values, from a file of `label` that is loud somewhere."""
        for _ in range(MAX_DRAWS):
            event = self.scene.instantiate(label, parameters, random)
            if self.loud_regions is None:
                return event
            starts = self.loud_regions.starts(event.source_file)
            if len(starts):
                return self.move(event, random.choice(starts))
        raise ConfigError(
            f"{type(self).__name__}: {MAX_DRAWS} files drawn from {label!r} have no window above "
            f"LoudRegions.threshold_db = {self.loud_regions.threshold_db}; lower it."
        )

    def move(self, event: Any, source_time: float) -> Any:
        """The event moved to `source_time`, or to the last place in its file where it fits."""
        latest = soundfile.info(event.source_file).duration - event.event_duration
        return event._replace(source_time=max(0.0, min(float(source_time), latest)))


@gin.register
class CoherentMixer(Mixer):
    """Stems of one song from the same place in it: the first label is the master, the rest follow.

    The master's file name, times, pitch shift and time stretch are drawn and apply to every stem;
    each stem draws its own SNR. `<foreground_path>/<label>/<song>` must exist for every label.

    Args:
        scene: Scene.
        labels: stems of a mixture, such as `['vocals', 'accompaniment']`.
        event_parameters: dict of Scaper's distributions, see `Scene`, or one dict per label.
        seed: int.
        loud_regions: LoudRegions of the master; None keeps `source_time` as drawn.
    """

    def __init__(
        self,
        scene: Scene,
        labels: list[str],
        event_parameters: dict | list[dict],
        seed: int,
        loud_regions: LoudRegions | None = None,
    ):
        self.scene = scene
        self.labels = list(labels)
        self.seed = seed
        self.loud_regions = loud_regions
        scene.require_labels("CoherentMixer.labels", self.labels)
        self.event_parameters = [
            scene.complete("CoherentMixer", {**parameters, "label": ("const", label)})
            for label, parameters in zip(
                self.labels,
                one_each("CoherentMixer", event_parameters, len(self.labels)),
                strict=True,
            )
        ]
        if self.event_parameters[0]["source_file"] == ("choose", []):
            for path in scene.files(self.labels[0]):  # now rather than in the middle of training
                self.find_stems(path)

    def find_stems(self, path: str) -> list[str]:
        """Paths of a song's stems, given the master's; the master comes first."""
        name = Path(path).name
        stems = [self.scene.path_of(label, name) for label in self.labels]
        missing = [stem for stem in stems if not stem.is_file()]
        if missing:
            raise ConfigError(
                f"CoherentMixer: {path} has no counterpart {missing[0]}; add the stem, or remove "
                "the song from all labels."
            )
        return [str(stem) for stem in stems]

    def plan(self, random: np.random.RandomState) -> list:
        master = self.draw_event(self.labels[0], self.event_parameters[0], random)
        stems = self.find_stems(master.source_file)
        others = list(zip(self.labels, stems, self.event_parameters, strict=True))[1:]
        return [master, *(self.follow(master, *other, random) for other in others)]

    def follow(
        self, master: Any, label: str, path: str, parameters: dict, random: np.random.RandomState
    ) -> Any:
        """The event of another stem of the master's song, with the master's times and effects."""
        missing = master.source_time + master.event_duration - soundfile.info(path).duration
        if missing > OVERHANG_SECONDS:
            raise ConfigError(
                f"CoherentMixer: {path} ends before its counterpart {master.source_file}; make all "
                "stems of a song the same length."
            )
        snr = draw(parameters["snr"], random)
        return master._replace(label=label, source_file=path, snr=snr)


@gin.register
class IncoherentMixer(Mixer):
    """Sources drawn independently of each other.

    Args:
        scene: Scene.
        num_sources: sources per mixture.
        event_parameters: dict of Scaper's distributions, see `Scene`, or one dict per source.
        seed: int.
        allow_repeated_label: whether two sources of a mixture may share a label.
        loud_regions: LoudRegions; None keeps `source_time` as drawn.
    """

    def __init__(
        self,
        scene: Scene,
        num_sources: int,
        event_parameters: dict | list[dict],
        seed: int,
        allow_repeated_label: bool = False,
        loud_regions: LoudRegions | None = None,
    ):
        self.scene = scene
        self.num_sources = num_sources
        self.event_parameters = [
            scene.complete("IncoherentMixer", parameters)
            for parameters in one_each("IncoherentMixer", event_parameters, num_sources)
        ]
        self.seed = seed
        self.allow_repeated_label = allow_repeated_label
        self.loud_regions = loud_regions

    def plan(self, random: np.random.RandomState) -> list:
        events = []
        for parameters in self.event_parameters:
            label = self.draw_label(parameters, [event.label for event in events], random)
            events.append(self.draw_event(label, parameters, random))
        return events

    def draw_label(self, parameters: dict, used: list[str], random: np.random.RandomState) -> str:
        for _ in range(MAX_DRAWS):
            label = self.scene.draw_label(parameters, random)
            if self.allow_repeated_label or label not in used:
                return label
        raise ConfigError(
            f"IncoherentMixer.num_sources = {self.num_sources}, but its label distribution "
            f"{parameters['label']} gives no labels besides {used}; lower it, or bind "
            "allow_repeated_label = True."
        )


@gin.register
class BalancedMixer(Mixer):
    """Draws each mixture from one of two mixers.

    Args:
        coherent: CoherentMixer.
        incoherent: IncoherentMixer with the same number of sources.
        incoherent_fraction: probability that a mixture is incoherent, 0 to 1.
        seed: int, used only to choose between the two.
    """

    def __init__(
        self,
        coherent: CoherentMixer,
        incoherent: IncoherentMixer,
        incoherent_fraction: float,
        seed: int,
    ):
        if not 0 <= incoherent_fraction <= 1:
            raise ConfigError(
                f"BalancedMixer.incoherent_fraction = {incoherent_fraction} must be from 0 to 1."
            )
        if coherent.sample_rate != incoherent.sample_rate:
            raise ConfigError(
                "BalancedMixer.coherent and BalancedMixer.incoherent have scenes with different "
                "sample rates; give both the same Scene."
            )
        self.coherent = coherent
        self.incoherent = incoherent
        self.incoherent_fraction = incoherent_fraction
        self.seed = seed

    @property
    def sample_rate(self) -> int:
        return self.coherent.sample_rate

    def mix(self, i: int, attempt: int = 0) -> Mixture:
        random = np.random.RandomState([self.seed, i, attempt, BALANCE])
        chosen = self.incoherent if random.uniform() < self.incoherent_fraction else self.coherent
        return chosen.mix(i, attempt)


def one_each(noun: str, event_parameters: dict | list[dict], count: int) -> list[dict]:
    """One dict for each of `count` sources, whether one or several were given."""
    if isinstance(event_parameters, dict):
        return [event_parameters] * count
    if len(event_parameters) != count:
        raise ConfigError(
            f"{noun}.event_parameters has {len(event_parameters)} entries for {count} sources; "
            "give one dict for all of them, or one for each."
        )
    return list(event_parameters)
