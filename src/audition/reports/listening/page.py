"""The listening page: the data that its template shows, and filling it in."""

import base64
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from audition.reports.listening import pictures, sounds
from audition.reports.listening.names import breakable, letter, middle_out, shorten
from audition.reports.report_card import is_ratio

FOLDER = Path(__file__).parent
MIXTURE, REFERENCE, ESTIMATE = "mixture", "reference", "estimate"  # or the number of a run


class Heard(NamedTuple):
    """An excerpt of a track, as arrays `(channel, sample)`.

    Attributes:
        references, estimates: source → array; estimates matched to sources as when scored.
        start: first sample of the excerpt.
        num_samples: length of the whole track.
        confidence: silhouette × posterior of the separation; None if it has none.
    """

    mix: np.ndarray
    references: dict[str, np.ndarray]
    estimates: dict[str, np.ndarray]
    sample_rate: int
    start: int
    num_samples: int
    confidence: float | None


class Signal(NamedTuple):
    """A player: `kind` is MIXTURE, REFERENCE, ESTIMATE or the run's number, counted from 1."""

    kind: str | int
    label: str
    source: str | None
    score: float | None
    sound: str
    envelope: str
    spectrogram: str


class Card(NamedTuple):
    """A track to listen to; `sources` is a list of (name, list of Signals)."""

    track: str
    rank: str
    excerpt: str
    top_hz: float
    middle_hz: float
    seconds: float
    mixture: Signal
    sources: list[tuple[str, list[Signal]]]
    confidences: list[float | None]


class RunHead(NamedTuple):
    """A row of the table of runs: texts by column; `number` counts from 1."""

    number: int
    name: str
    facts: dict[str, str]


class Row(NamedTuple):
    """A row of the table of scores; `card` is the number of the track's card, or None."""

    number: int
    track: str
    source: str
    scores: list[float]
    card: int | None


@dataclass
class Curves:
    """Losses of a training, one per epoch, on a common scale."""

    number: int
    name: str
    train: list[float]
    validation: list[float]

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest finite loss; (0, 1) if there is none."""
        finite = [value for value in [*self.train, *self.validation] if math.isfinite(value)]
        return (min(finite), max(finite)) if finite else (0.0, 1.0)

    @property
    def best_epoch(self) -> int:
        losses = self.validation or self.train
        return 1 + min(range(len(losses)), key=losses.__getitem__)

    def points(self, name: str) -> str:
        return pictures.curve_points(getattr(self, name), *self.bounds)


class Exhibit(NamedTuple):
    """What a round of a bootstrap was sure of: `figures` are pairs (data URI, words for it)."""

    title: str
    text: str
    figures: list[tuple[str, str]]
    cards: list[Card]


def draw_card(track: str, rank: str, heard: list[Heard], scores: list[dict[str, float]]) -> Card:
    """Encodes and draws all signals of a track, with the same gain and colour scale.

    Args:
        heard: of the same excerpt, one per run.
        scores: source → its score, one dict per run.
    """
    first = heard[0]
    own = [first.mix, *first.references.values()]
    draw = Painter(own, [e for one in heard for e in one.estimates.values()], first.sample_rate)

    def draw_source(name, reference):
        yield draw(REFERENCE, "Reference", reference, name)
        for number, (one, own_scores) in enumerate(zip(heard, scores, strict=True), start=1):
            yield draw(number, letter(number), one.estimates[name], name, own_scores.get(name))

    sources = [(n, list(draw_source(n, r))) for n, r in first.references.items()]
    return card_of(track, rank, first, draw, sources, [one.confidence for one in heard])


def draw_segment(name: str, rank: str, heard: Heard) -> Card:
    """As `draw_card`, of what was separated without references."""
    draw = Painter([heard.mix], list(heard.estimates.values()), heard.sample_rate)
    sources = [(n, [draw(ESTIMATE, "Estimate", e, n)]) for n, e in heard.estimates.items()]
    return card_of(name, rank, heard, draw, sources, [])


class Painter:
    """Encodes and draws signals, with one gain and one scale of colours.

    Args:
        own: arrays `(channel, sample)`: the loudest bin of these is the brightest.
        others: arrays, which count for the gain.
    """

    def __init__(self, own: list[np.ndarray], others: list[np.ndarray], sample_rate: int):
        self.gain = sounds.common_gain([*own, *others])
        self.sample_rate = sample_rate
        self.loudest_db = max(self.levels(audio).max() for audio in own)

    def levels(self, audio: np.ndarray) -> np.ndarray:
        return pictures.magnitudes_db(self.gain * audio, self.sample_rate)

    def __call__(
        self,
        kind: str | int,
        label: str,
        audio: np.ndarray,
        source: str | None = None,
        score: float | None = None,
    ) -> Signal:
        return Signal(
            *(kind, label, source, score),
            sound=sounds.mp3_uri(self.gain * audio, self.sample_rate),
            envelope=pictures.envelope_path(self.gain * audio),
            spectrogram=pictures.spectrogram_uri(self.levels(audio), self.loudest_db),
        )


def card_of(
    track: str,
    rank: str,
    heard: Heard,
    draw: Painter,
    sources: list[tuple[str, list[Signal]]],
    confidences: list[float | None],
) -> Card:
    return Card(
        track=track,
        rank=rank,
        excerpt=describe_excerpt(heard),
        top_hz=heard.sample_rate / 2,
        middle_hz=pictures.middle_hz(heard.sample_rate),
        seconds=heard.mix.shape[1] / heard.sample_rate,
        mixture=draw(MIXTURE, "Mixture", heard.mix),
        sources=sources,
        confidences=confidences,
    )


def describe_excerpt(heard: Heard) -> str:
    seconds, whole = (n / heard.sample_rate for n in (heard.mix.shape[1], heard.num_samples))
    if heard.mix.shape[1] == heard.num_samples:
        return f"all {whole:.1f} s"
    start = clock(heard.start / heard.sample_rate)
    return f"the loudest {seconds:.1f} s of {whole:.1f} s, from {start} on"


def clock(seconds: float) -> str:
    """`1:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def score_text(value: float | None) -> str:
    """Two decimals; – for NaN and None, ∞ for infinite."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:z.2f}"


def render(**content: Any) -> str:
    """The page's text: one file that requests nothing from the network, which its policy forbids.

    The template escapes every name. Only the script and the style sheet in this folder may run, by
    their hashes, so even a name that slipped through could do no harm.

    Args:
        content: what listening.html shows: `title`, `heads` (RunHeads), `curves` (Curves), `cards`,
            `exhibits`, `rows`, `metrics` (names of the scores of a Row), `metric` (the one to sort
            by), `ranked_by` (number of the run that ranks the cards), `note`, `made`.
    """
    import jinja2  # here, not at the top: no other command needs it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"score": score_text, "letter": letter, "middle_out": middle_out}
    environment.filters |= {"is_ratio": is_ratio, "breakable": breakable}
    parts = {name: (FOLDER / f"listening.{name}").read_text() for name in ("css", "js")}
    hashes = {f"{name}_hash": sha256_source(text) for name, text in parts.items()}
    return environment.get_template("listening.html").render(
        **parts, **hashes, **content, short=shorten([head.name for head in content["heads"]])
    )


def sha256_source(text: str) -> str:
    """How a Content-Security-Policy names an inline script or style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
