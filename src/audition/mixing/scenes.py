"""A scene: the folder that mixtures are made from, and the settings they all share."""

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gin
import numpy as np

from audition.errors import ConfigError
from audition.identity import fingerprint

BEGINNING_BYTES = 2**20  # some seconds of audio
EVENT_DEFAULTS = {
    "label": ("choose", []),
    "source_file": ("choose", []),
    "event_time": ("const", 0),
    "pitch_shift": None,
    "time_stretch": None,
}
EVENT_REQUIRED = ("source_time", "event_duration", "snr")


class Mixture(NamedTuple):
    """One mixture.

    Attributes:
        mix: `(sample, channel)`, the sum of the sources.
        sources: dict `<label>::<number>` → `(sample, channel)`, float64, in the order of the jam.
        jam: jams.JAMS that records how it was made.
    """

    mix: np.ndarray
    sources: dict
    jam: Any


@gin.register
class Scene:
    """The material for mixtures: files in Scaper's layout, `<foreground_path>/<label>/<file>`.

    A label may be a stem, a speaker, an instrument or a kind of sound. A mixer's `event_parameters`
    are Scaper's distributions, `('const', x)`, `('choose', [x, y])`, `('uniform', min, max)`,
    `('normal', mean, std)` or `('truncnorm', mean, std, min, max)`, of

    - label, source_file: by default `('choose', [])`, any of them;
    - source_time: seconds into the file; the range is cut to what the length of the file allows;
    - event_time: seconds into the mixture, by default 0;
    - event_duration: seconds;
    - snr: dB (LUFS) above `ref_db`;
    - pitch_shift in semitones and time_stretch as a factor of length, by default None; both need
      the program sox.

    Args:
        foreground_path: folder of the sources.
        duration_seconds: length of a mixture.
        sample_rate: Hz; files at another rate are resampled every time, so resample them first.
        num_channels: channels of a mixture.
        ref_db: LUFS of a background, and of a source with an SNR of 0.
        fade_seconds: fade at each source's beginning and end.
        quick_pitch_time: shift and stretch faster, at lower quality.
        background_path: folder of the backgrounds, in the same layout, or None.
        num_backgrounds: backgrounds per mixture; each lasts as long as the mixture.
        background_parameters: distributions of label, source_file and source_time.
    """

    def __init__(
        self,
        foreground_path: str | Path,
        duration_seconds: float,
        sample_rate: int,
        num_channels: int = 1,
        ref_db: float = -40.0,
        fade_seconds: float = 0.0,
        quick_pitch_time: bool = False,
        background_path: str | Path | None = None,
        num_backgrounds: int = 0,
        background_parameters: dict | None = None,
    ):
        if num_backgrounds and background_path is None:
            raise ConfigError("Scene.num_backgrounds needs Scene.background_path: bind it.")
        self._foreground_path = Path(foreground_path)
        self._background_path = Path(background_path or foreground_path)
        self._files = list_files("Scene.foreground_path", self._foreground_path)
        backgrounds = (
            list_files("Scene.background_path", self._background_path) if num_backgrounds else {}
        )
        self.content = [content(self._files), content(backgrounds)]
        self.duration_seconds = duration_seconds
        self.sample_rate = sample_rate
        self.num_channels = num_channels
        self.ref_db = ref_db
        self.fade_seconds = fade_seconds
        self.quick_pitch_time = quick_pitch_time
        self.num_backgrounds = num_backgrounds
        self.background_parameters = {
            "label": ("choose", list(backgrounds)),
            "source_file": ("choose", []),
            "source_time": ("const", 0),
            **(background_parameters or {}),
        }
        with told_by("Scene.background_parameters"):
            self.add_backgrounds(self.new_scaper(None))

    @property
    def labels(self) -> list[str]:
        """All labels of the foreground folder, sorted."""
        return list(self._files)

    def require_labels(self, binding: str, labels: list[str]) -> None:
        missing = [label for label in labels if label not in self._files]
        if missing:
            raise ConfigError(
                f"{binding}: there are no files in {self._foreground_path / missing[0]}; choose "
                f"from the labels that have files, {', '.join(self.labels)}."
            )

    def files(self, label: str) -> list[str]:
        """Sorted paths of a label's files."""
        return self._files[label]

    def path_of(self, label: str, name: str) -> Path:
        """The path of a file with this name and label, whether or not it exists."""
        return self._foreground_path / label / name

    def complete(self, noun: str, parameters: dict) -> dict:
        """The distributions of an event, with defaults for those not given.

        Raises:
            ConfigError: one is unknown or missing, or Scaper doesn't accept it.
        """
        unknown = sorted(set(parameters) - {*EVENT_DEFAULTS, *EVENT_REQUIRED})
        if unknown:
            raise ConfigError(
                f"{noun}.event_parameters has {', '.join(unknown)}; it may hold "
                f"{', '.join((*EVENT_DEFAULTS, *EVENT_REQUIRED))}."
            )
        missing = [name for name in EVENT_REQUIRED if name not in parameters]
        if missing:
            raise ConfigError(f"{noun}.event_parameters needs {', '.join(missing)}: add it.")
        complete = {**EVENT_DEFAULTS, **parameters}
        with told_by(f"{noun}.event_parameters"):
            self.new_scaper(None).add_event(**complete)
        return complete

    def draw_label(self, parameters: dict, random: np.random.RandomState) -> str:
        distribution = parameters["label"]
        return draw(
            ("choose", self.labels) if distribution == ("choose", []) else distribution, random
        )

    def instantiate(self, label: str, parameters: dict, random: np.random.RandomState) -> Any:
        """An EventSpec with values drawn from the distributions in `parameters`."""
        from scaper.core import EventSpec

        if parameters["source_file"] == ("choose", []):
            parameters = {**parameters, "source_file": ("choose", self._files[label])}
        spec = EventSpec(**{**parameters, "label": ("const", label)}, role="foreground")
        return self.new_scaper(random)._instantiate_event(spec, disable_instantiation_warnings=True)

    def render(self, events: list, random: np.random.RandomState) -> Mixture:
        """The Mixture of EventSpecs with fixed values; backgrounds are drawn here."""
        scaper = self.new_scaper(random)
        self.add_backgrounds(scaper)
        for event in events:
            scaper.add_event(**as_constants(event))
        with quiet_scaper():
            _, jam, _, audio = scaper.generate(
                fix_clipping=True,
                quick_pitch_time=self.quick_pitch_time,
                disable_instantiation_warnings=True,
            )
        return gather(jam, audio)

    def new_scaper(self, random: np.random.RandomState | None) -> Any:
        import scaper

        paths = str(self._foreground_path), str(self._background_path)
        new = scaper.Scaper(self.duration_seconds, *paths, random_state=random)
        new.sr = self.sample_rate
        new.n_channels = self.num_channels
        new.ref_db = self.ref_db
        new.fade_in_len = new.fade_out_len = self.fade_seconds
        return new

    def add_backgrounds(self, scaper: Any) -> None:
        for _ in range(self.num_backgrounds):
            scaper.add_background(**self.background_parameters)


def list_files(binding: str, folder: Path) -> dict[str, list[str]]:
    """Sorted paths of each label's files."""
    if not folder.is_dir():
        raise ConfigError(f"{binding}: there is no folder {folder}; check the path.")
    files = {
        label.name: sorted(
            str(path)
            for path in label.iterdir()
            if path.is_file() and not path.name.startswith(".")
        )
        for label in sorted(folder.iterdir())
        if label.is_dir() and not label.name.startswith(".")
    }
    files = {label: paths for label, paths in files.items() if paths}
    if not files:
        raise ConfigError(f"{binding}: {folder} holds no <label>/<file>; check the path.")
    return files


def content(files: dict[str, list[str]]) -> str:
    """A fingerprint of the files that doesn't depend on where the folder is.

    It covers names and sizes, and how the first, middle and last file of each label begin: the
    estimates of two separators have the same names and sizes.
    """
    found = {}
    for label, paths in files.items():
        about = [[Path(path).name, Path(path).stat().st_size] for path in paths]
        samples = {paths[0], paths[len(paths) // 2], paths[-1]}
        found[label] = [about, sorted(beginning_sha256(path) for path in samples)]
    return fingerprint(found)


def beginning_sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.sha256(file.read(BEGINNING_BYTES)).hexdigest()


def draw(distribution: tuple, random: np.random.RandomState) -> Any:
    """A value drawn from one of Scaper's distributions."""
    from scaper.core import _get_value_from_dist

    return _get_value_from_dist(distribution, random)


def as_constants(event: Any) -> dict:
    """Arguments of Scaper.add_event that reproduce exactly this event."""
    values = event._asdict()
    del values["role"]
    return {name: None if value is None else ("const", value) for name, value in values.items()}


def gather(jam: Any, audio: list[np.ndarray]) -> Mixture:
    """The Mixture of the events that Scaper made; one that was silent in its file stays silent.

    Scaper applies an infinite gain to silence to reach its SNR, which turns it into NaN.
    """
    events = [observation.value for observation in jam.annotations[0].data]
    audio = [np.where(np.isfinite(samples), samples, 0.0) for samples in audio]
    mix = sum(audio)
    peak = np.abs(mix).max()
    if peak > 1:
        audio = [samples / peak for samples in audio]
        mix = sum(audio)
    return Mixture(mix, dict(zip(number_labels(events), audio, strict=True)), jam)


def number_labels(events: list) -> list[str]:
    """The events' labels, numbered: `vocals::0`, `vocals::1`, `drums::0`."""
    labels = [event["label"] for event in events]
    return [f"{label}::{labels[:i].count(label)}" for i, label in enumerate(labels)]


@contextlib.contextmanager
def told_by(binding: str) -> Iterator[None]:
    """Turns Scaper's complaints about a distribution into a ConfigError."""
    from scaper.scaper_exceptions import ScaperError

    try:
        yield
    except ScaperError as error:
        raise ConfigError(f"{binding}: {error}") from error


@contextlib.contextmanager
def quiet_scaper() -> Iterator[None]:
    """Silences warnings about what is handled here: clipping, and the infinite gain of silence."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
