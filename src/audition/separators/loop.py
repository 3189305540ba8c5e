"""The loop of every command that separates: read, run the network, finish in workers, last step.

Only pieces are sent to workers and only waveforms are kept, so memory is limited to the network and
spectrograms of `piece_seconds`, plus the waveforms of the tracks in progress.
"""

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import nussl

from audition.audio.signals import signal_like
from audition.device import choose_device
from audition.errors import ConfigError
from audition.identity import fingerprint
from audition.parallel import Failure, ItemsFailed, attempt, map_items, portable
from audition.separators import pieces
from audition.separators.base import Separation, Separator
from audition.separators.seeds import seeded
from audition.separators.tracks import LongTrack, Piece, PieceEstimates, Track
from audition.separators.watched import Watched

TRACKS_READ_AHEAD = 2
LARGE_BYTES = 2**28  # of a track's estimates: such a track stays on disk, and in this process


class Unreadable(Exception):
    """A track that can't be read: a failure of this track, not a mistake in the settings."""


@dataclass(frozen=True)
class LoopSettings:
    """How the loop runs; `evaluate` explains each setting."""

    device: str = "auto"
    batch_size: int = 8
    piece_seconds: float | None = 60.0
    overlap_seconds: float = 2.0
    num_workers: int = 0
    seed: int = 0


def separate_each(
    data, indices: Sequence[int], separator: Separator, last_step: Callable, settings: LoopSettings
) -> Iterator[tuple[str, Any]]:
    """Separates tracks and passes each one to `last_step`, in the workers.

    Args:
        data: Split.
        indices: the items to separate.
        separator: Separator.
        last_step: picklable function of (Track, Separation). For a track in one piece, it continues
            with the random generators as the separator left them.
        settings: LoopSettings.

    Yields:
        `(name of the track, result of last_step)`, in the order of completion.

    Raises:
        ItemsFailed: at the end, if any track failed.
    """
    loop = SeparationLoop(data, separator, last_step, settings)
    yield from loop.outcomes(loop.jobs(indices), settings.num_workers)
    num_left = len(loop.joined)  # a single one is not worth a pool
    yield from loop.outcomes(loop.joined_jobs(), settings.num_workers if num_left > 1 else 0)
    if loop.failures:
        raise ItemsFailed(loop.failures)


def separate_all(
    data, indices: Sequence[int], separator: Separator, last_step: Callable, loop: LoopSettings
) -> Iterator[tuple[str, Any]]:
    """Like `separate_each`, but a mistake in the settings stops it at the first track."""
    try:
        here = replace(loop, num_workers=0)
        yield from separate_each(data, indices[:1], separator, last_step, here)
        first = {}
    except ItemsFailed as error:
        first = error.failures
        raise_settings_mistake(first)
    try:
        yield from separate_each(data, indices[1:], separator, last_step, loop)
    except ItemsFailed as error:
        raise ItemsFailed(first | error.failures) from error
    if first:
        raise ItemsFailed(first)


def raise_settings_mistake(failures: dict[str, Failure]) -> None:
    for failure in failures.values():
        if isinstance(failure.error, ConfigError):
            raise failure.error


class SeparationLoop:
    def __init__(self, data, separator: Separator, last_step: Callable, settings: LoopSettings):
        self.data = data
        self.separator = separator
        self.last_step = last_step
        self.settings = settings
        self.device = choose_device(settings.device)
        self.failures = {}
        self.long_tracks = {}
        self.joined = deque()
        self.large = deque()

    def outcomes(self, jobs: Iterable[tuple], num_workers: int) -> Iterator[tuple[str, Any]]:
        try:
            for name, result in map_items(call, jobs, num_workers):
                if isinstance(result, PieceEstimates):
                    self.collect(result)
                    yield from self.outcomes_of_large()
                else:
                    yield name, result
        except ItemsFailed as error:
            self.failures.update(error.failures)

    def jobs(self, indices: Sequence[int]) -> Iterator[tuple[str, tuple]]:
        for batch in self.batches(self.read_pieces(indices)):
            for piece, output in self.device_half(batch):
                yield from self.joined_jobs()
                yield piece.name, self.cpu_half(piece, output)

    def joined_jobs(self) -> Iterator[tuple[str, tuple]]:
        """Jobs for the last step of long tracks whose pieces are all back."""
        while self.joined:
            track, separation = self.joined.popleft()
            yield track.name, (self.last_step, track, separation)

    def outcomes_of_large(self) -> Iterator[tuple[str, Any]]:
        """The last step of tracks that are too large for a worker, done here."""
        while self.large:
            track, separation = self.large.popleft()
            name, result, failure = attempt(self.last_step, track.name, (track, separation))
            if failure:
                self.failures[name] = failure
            else:
                yield name, result

    def read_pieces(self, indices: Sequence[int]) -> Iterator[Piece]:
        for name, future in self.read_ahead(indices):
            try:
                track = future.result()
            except Exception as error:
                reason = f"cannot be read: {error}"
                self.failures[name] = Failure(
                    Unreadable(reason), f"{traceback.format_exc()}{reason}"
                )
                continue
            yield from self.pieces_of(track)

    def read_ahead(self, indices: Sequence[int]) -> Iterator[tuple[str, Future[Track]]]:
        """`(name, future of Track)`, read in a thread while device and workers are busy."""
        with ThreadPoolExecutor(1) as pool:
            ahead = deque()
            for index in indices:
                ahead.append((self.data.names[index], pool.submit(read_track, self.data, index)))
                if len(ahead) > TRACKS_READ_AHEAD:
                    yield ahead.popleft()
            yield from ahead

    def pieces_of(self, track: Track) -> Iterator[Piece]:
        bounds = pieces.piece_bounds(
            track.mix.signal_length,
            *pieces.seconds_to_samples(
                self.settings.piece_seconds, self.settings.overlap_seconds, track.mix.sample_rate
            ),
        )
        if len(bounds) > 1:
            self.long_tracks[track.name] = LongTrack(track, pieces.Joined(bounds))
        for index, (start, stop) in enumerate(bounds):
            sources = Watched(
                {name: pieces.cut(s, start, stop) for name, s in track.sources.items()}
            )
            mix = pieces.cut(track.mix, start, stop)
            yield Piece(track, index, len(bounds), mix, sources)

    def batches(self, all_pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
        """Lists of at most `batch_size` pieces and `piece_seconds` in all, or one longer piece."""
        batch, seconds = [], 0.0
        limit = self.settings.piece_seconds or float("inf")
        for piece in all_pieces:
            duration = piece.mix.signal_duration
            if batch and (len(batch) == self.settings.batch_size or seconds + duration > limit):
                yield batch
                batch, seconds = [], 0.0
            batch.append(piece)
            seconds += duration
        if batch:
            yield batch

    def device_half(self, batch: list[Piece]) -> list[tuple[Piece, Any]]:
        """Pairs of (piece, output of the network); if a batch fails, its pieces run one by one."""
        try:
            outputs = self.separator.on_device([piece.mix for piece in batch], self.device)
            return list(zip(batch, outputs, strict=True))
        except (RuntimeError, ValueError) as error:  # torch's own errors, memory included
            if len(batch) == 1:
                self.failures[batch[0].name] = Failure(portable(error), traceback.format_exc())
                return []
            return [pair for piece in batch for pair in self.device_half([piece])]

    def cpu_half(self, piece: Piece, output: Any) -> tuple:
        """A job that does all the rest for a whole track, or makes the estimates of one piece."""
        seed = int(fingerprint([self.settings.seed, piece.name]), 16) % 2**32
        job = (self.separator, piece.mix, output, piece.sources)
        if piece.count == 1:
            return (finish_track, seed, job, self.last_step, piece.track)
        return (finish_piece, seed, job, piece.track.name, piece.index)

    def collect(self, result: PieceEstimates) -> None:
        """Keeps the estimates of a piece, and joins all of them once the track is complete."""
        long = self.long_tracks[result.track_name]
        long.track = long.track._replace(looked=long.track.looked or result.looked)
        try:
            long.joined.add(result.index, result.audio)
        except ValueError as error:
            self.failures[result.track_name] = Failure(error, str(error))
            return
        if not long.joined.is_complete:
            return
        del self.long_tracks[result.track_name]
        separation = Separation([signal_like(long.track.mix, one) for one in long.joined.audio])
        is_small = long.joined.audio.nbytes <= LARGE_BYTES
        waiting = self.joined if is_small else self.large
        waiting.append((long.track, separation))


def call(function: Callable, *arguments: Any) -> Any:
    return function(*arguments)


def read_track(data, index: int) -> Track:
    item = data[index]
    return Track(data.names[index], item["mix"], item["sources"], item["metadata"])


def finish_track(seed: int, job: tuple, last_step: Callable, track: Track) -> Any:
    *_, sources = job
    with seeded(seed):
        separation = finish(*job)
        return last_step(track._replace(looked=sources.looked), separation)


def finish_piece(seed: int, job: tuple, track_name: str, index: int) -> PieceEstimates:
    with seeded(seed):
        estimates = finish(*job).estimates
    audio = np.stack([estimate.audio_data for estimate in estimates])
    *_, sources = job
    return PieceEstimates(track_name, index, audio, sources.looked)


def finish(
    separator: Separator, mix: nussl.AudioSignal, device_output: Any, sources: Mapping
) -> Separation:
    """The Separation, whose estimates must be finite and as long as the mix."""
    separation = separator.separate(mix, device_output, sources)
    for number, estimate in enumerate(separation.estimates, start=1):
        if estimate.signal_length != mix.signal_length:
            raise ValueError(
                f"estimate {number} has {estimate.signal_length} samples, the mixture "
                f"{mix.signal_length}"
            )
        if not np.isfinite(estimate.audio_data).all():
            raise ValueError(f"estimate {number} holds NaN or infinite samples")
    return separation
