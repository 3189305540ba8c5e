"""What lies in a cache root: for whom, how large, and what of it nobody needs."""

import contextlib
import errno
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from audition.datasets.waveform_cache.filling import LEFTOVER, lock, lock_of
from audition.datasets.waveform_cache.places import (
    INDEX,
    READERS,
    WAVEFORMS,
    read_manifest,
    remove,
    size_of,
)
from audition.errors import ConfigError
from audition.identity import in_short

SHOWN_READERS = 3


class Reader(NamedTuple):
    """A run that has read a cache, by the name of its host and its folder there."""

    host: str
    folder: str

    @property
    def is_gone(self) -> bool:
        """Whether its folder was deleted or moved; of another host's folders nobody knows here."""
        return self.host == socket.gethostname() and not Path(self.folder).exists()


def note_reader(folder: Path, run_folder: Path) -> None:
    """Notes that a run reads the cache in `folder`, unless that can't be written."""
    reader = Reader(socket.gethostname(), str(run_folder.resolve()))
    with contextlib.suppress(OSError):
        if reader not in readers(folder):
            with (folder / READERS).open("a") as file:
                file.write("\t".join(reader) + "\n")


def readers(folder: Path) -> list[Reader]:
    """The runs that have read a cache, as far as that is known."""
    path = folder / READERS
    text = path.read_text(errors="replace") if path.is_file() else ""
    return [Reader(*line.split("\t", 1)) for line in text.splitlines() if "\t" in line]


def caches(root: Path) -> list[Path]:
    """The folders of the caches in a root, damaged ones and those of earlier versions among them."""
    found = [*root.glob(f"*/{WAVEFORMS}"), *root.glob(f"*/*/{WAVEFORMS}")]
    folders = [path.parent for path in found if (path.parent / INDEX).is_file()]
    return sorted(folder for folder in folders if not folder.name.startswith("."))


def leftovers(root: Path) -> list[Path]:
    """What fills are working on, or left behind when they were killed."""
    return sorted([*root.glob(".*.filling.*/"), *root.glob("*/.*.filling.*/")])


def is_left(folder: Path) -> bool:
    """Whether all runs that have read a cache are gone; one that none has read waits for them."""
    found = readers(folder)
    return bool(found) and all(reader.is_gone for reader in found)


def described(folder: Path) -> str:
    """A few lines on a cache: how large, of which data, read by whom."""
    size = f"{folder}: {size_of(folder) / 1e6:.3g} MB"
    try:
        content = read_manifest(folder)["content"]
    except ConfigError as error:
        return f"{size}, damaged\n    {error}"
    settings = in_short({**content["settings"], "transform": content["transform"]})
    sources = ", ".join(content["source_names"])
    return (
        f"{size}, {content['num_items']} items of {sources} at {content['sample_rate']} Hz\n"
        f"    {content['dataset']}{settings}\n    {read_by(folder)}"
    )


def read_by(folder: Path) -> str:
    found = readers(folder)
    present = [reader.folder for reader in found if not reader.is_gone]
    if not found:
        return "read by no run yet, as far as is known"
    if not present:
        return f"read by {len(found)} runs, all gone: prune deletes it"
    more = f" and {len(present) - SHOWN_READERS} more" if len(present) > SHOWN_READERS else ""
    return f"read by {', '.join(present[:SHOWN_READERS])}{more}"


def prune(root: Path, names: Sequence[str] | None = None) -> Iterator[tuple[Path, int]]:
    """Deletes caches of a root, of which only the files that the cache command writes.

    Args:
        names: caches to delete, relative to the root or as `described` prints them, whoever reads
            them; None deletes what killed fills left, and the caches whose readers are all gone.

    Yields:
        `(folder, bytes that it took)`, once it is deleted.

    Raises:
        ConfigError: a folder holds files of others.
    """
    if names is None:
        chosen = [*leftovers(root), *filter(is_left, caches(root))]
    else:
        chosen = [one for one in caches(root) if names_of(one, root) & {*names}]
    for folder in chosen:
        size = size_of(folder)
        with (
            contextlib.suppress(BlockingIOError),
            lock(lock_of(finished(folder), root), wait=False),
        ):
            delete(folder)
            yield folder, size


def names_of(folder: Path, root: Path) -> set[str]:
    return {str(folder), folder.relative_to(root).as_posix()}


def finished(folder: Path) -> Path:
    """What a folder is called once it is filled, if it is not."""
    return folder.with_name(re.sub(LEFTOVER, r"\1", folder.name))


def delete(folder: Path) -> None:
    """Removes a cache, and the folder of its key if no other split is in it."""
    try:
        remove(folder)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        raise ConfigError(
            f"{folder} holds files that the cache command didn't write, so only its own were deleted: "
            "look what they are."
        ) from error
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
