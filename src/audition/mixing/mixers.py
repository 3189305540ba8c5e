"""Mixtures of a folder's files, drawn from Scaper's event distributions when they are asked for.

    OnTheFly.mix_closure = @CoherentMixer()

A mixer makes mixture `i` from `(seed, i)` alone: any process makes the same one, in any order.
"""

from pathlib import Path

import gin
import numpy as np
import soundfile

from audition.errors import ConfigError
from audition.mixing.scenes import draw, told_by

MAX_DRAWS = 100  # of a label, or of a file that is loud anywhere
BALANCE = 1  # keeps the choice of a mixer apart from what that mixer draws with the same seed
OVERHANG_SECONDS = 1e-3  # by which a stem may end before its master


class Mixer:
    """What all mixers share: the scene, the seed, and how a plan becomes audio."""

    def __call__(self, dataset, i):
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
    def sample_rate(self):
        """Hz."""
        return self.scene.sample_rate

    def mix(self, i, attempt=0):
        """Mixture `i`; another `attempt` draws it anew, to replace one that is too quiet."""
        random = np.random.RandomState([self.seed, i, attempt])
        with told_by(type(self).__name__):
            return self.scene.render(self.plan(random), random)

    def plan(self, random):
        """list of EventSpecs of constant values, one per source."""
        raise NotImplementedError

    def draw_event(self, label, parameters, random):
        """An EventSpec of constant values, from a file of `label` that is loud somewhere."""
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

    def move(self, event, source_time):
        """The event from another place of its file, no later than it can end with the file."""
        latest = soundfile.info(event.source_file).duration - event.event_duration
        return event._replace(source_time=max(0.0, min(float(source_time), latest)))


@gin.register
class CoherentMixer(Mixer):
    """Stems of one song, at one place: the first label is the master, the others follow it.

    The master's file name, times, pitch shift and time stretch are drawn and hold for every stem;
    each stem draws an SNR of its own. `<foreground_path>/<label>/<song>` must be there for each
    label.

    Args:
        scene: Scene.
        labels: stems of a mixture, such as `['vocals', 'accompaniment']`.
        event_parameters: dict of Scaper's distributions, see `Scene`, or one dict per label.
        seed: int.
        loud_regions: LoudRegions of the master; None takes `source_time` as it is drawn.
    """

    def __init__(self, scene, labels, event_parameters, seed, loud_regions=None):
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

    def find_stems(self, path):
        """Paths of the stems, the master's first, of the song whose master is `path`."""
        name = Path(path).name
        stems = [self.scene.path_of(label, name) for label in self.labels]
        missing = [stem for stem in stems if not stem.is_file()]
        if missing:
            raise ConfigError(
                f"CoherentMixer: {path} has no counterpart {missing[0]}; add the stem, or take the "
                "song out of all labels."
            )
        return [str(stem) for stem in stems]

    def plan(self, random):
        master = self.draw_event(self.labels[0], self.event_parameters[0], random)
        stems = self.find_stems(master.source_file)
        others = list(zip(self.labels, stems, self.event_parameters, strict=True))[1:]
        return [master, *(self.follow(master, *other, random) for other in others)]

    def follow(self, master, label, path, parameters, random):
        """The stem at `path`, of the master's song, where and as the master is."""
        missing = master.source_time + master.event_duration - soundfile.info(path).duration
        if missing > OVERHANG_SECONDS:
            raise ConfigError(
                f"CoherentMixer: {path} ends before its counterpart {master.source_file}; stems of "
                "a song must be of one length."
            )
        snr = draw(parameters["snr"], random)
        return master._replace(label=label, source_file=path, snr=snr)


@gin.register
class IncoherentMixer(Mixer):
    """Sources drawn independently of each other.

    Args:
        scene: Scene.
        num_sources: of a mixture.
        event_parameters: dict of Scaper's distributions, see `Scene`, or one dict per source.
        seed: int.
        allow_repeated_label: whether two sources of a mixture may have one label.
        loud_regions: LoudRegions; None takes `source_time` as it is drawn.
    """

    def __init__(
        self,
        scene,
        num_sources,
        event_parameters,
        seed,
        allow_repeated_label=False,
        loud_regions=None,
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

    def plan(self, random):
        events = []
        for parameters in self.event_parameters:
            label = self.draw_label(parameters, [event.label for event in events], random)
            events.append(self.draw_event(label, parameters, random))
        return events

    def draw_label(self, parameters, used, random):
        for _ in range(MAX_DRAWS):
            label = self.scene.draw_label(parameters, random)
            if self.allow_repeated_label or label not in used:
                return label
        raise ConfigError(
            f"IncoherentMixer.num_sources = {self.num_sources}, but its label distribution "
            f"{parameters['label']} gives none besides {used}; lower it, or bind "
            "allow_repeated_label = True."
        )


@gin.register
class BalancedMixer(Mixer):
    """Mixtures of one mixer or the other.

    Args:
        coherent: CoherentMixer.
        incoherent: IncoherentMixer, of as many sources.
        incoherent_fraction: probability that a mixture is incoherent, 0 to 1.
        seed: int, of the choice alone.
    """

    def __init__(self, coherent, incoherent, incoherent_fraction, seed):
        if not 0 <= incoherent_fraction <= 1:
            raise ConfigError(
                f"BalancedMixer.incoherent_fraction = {incoherent_fraction} must be from 0 to 1."
            )
        if coherent.sample_rate != incoherent.sample_rate:
            raise ConfigError(
                "BalancedMixer.coherent and BalancedMixer.incoherent have scenes of different "
                "sample rates; give both one Scene."
            )
        self.coherent = coherent
        self.incoherent = incoherent
        self.incoherent_fraction = incoherent_fraction
        self.seed = seed

    @property
    def sample_rate(self):
        return self.coherent.sample_rate

    def mix(self, i, attempt=0):
        random = np.random.RandomState([self.seed, i, attempt, BALANCE])
        chosen = self.incoherent if random.uniform() < self.incoherent_fraction else self.coherent
        return chosen.mix(i, attempt)


def one_each(noun, event_parameters, count):
    """list of `count` dicts."""
    if isinstance(event_parameters, dict):
        return [event_parameters] * count
    if len(event_parameters) != count:
        raise ConfigError(
            f"{noun}.event_parameters has {len(event_parameters)} entries for {count} sources; "
            "give one dict for all, or one each."
        )
    return list(event_parameters)
