"""What is wrong with a cache, by its checksums: a flipped bit would train on other audio, unseen."""

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from audition.datasets.waveform_cache.places import (
    MANIFEST,
    STATES,
    WAVEFORMS,
    WHAT_TO_DO,
    read_manifest,
)
from audition.datasets.waveform_cache.states import read_states
from audition.errors import ConfigError
from audition.files import Damaged
from audition.identity import file_sha256

NOT_AS_WRITTEN = "it doesn't fit its checksum"


def defects(folder: Path, unread: tuple[str, ...] = ()) -> Iterator[str]:
    """Sentences on what is wrong with the cache in `folder`; none if it is whole.

    Reads all of it, about a gigabyte in a second. Caches of earlier versions have no checksums, so
    only their sizes are looked at.

    Args:
        unread: names of files whose content is left out.
    """
    try:
        manifest = read_manifest(folder)
    except ConfigError as error:
        yield str(error)
        return
    checksums = manifest.get("checksums")
    for name, size in manifest["files"].items():
        sha256 = None if checksums is None or name in unread else checksums[name]
        yield from defects_of_file(folder / name, size, sha256)
    if checksums is not None and read_states(folder / STATES) is None:
        yield damaged(folder / STATES)


def defects_of_file(path: Path, size: int, sha256: str | None) -> Iterator[str]:
    if not path.is_file() or path.stat().st_size != size:
        yield (
            f"{path} is missing, or isn't {size} bytes long as its {MANIFEST} says: "
            f"{WHAT_TO_DO.format(folder=path.parent)}."
        )
    elif sha256 is not None and file_sha256(path) != sha256:
        yield damaged(path)


def damaged(path: Path) -> str:
    return str(Damaged(path, NOT_AS_WRITTEN, WHAT_TO_DO.format(folder=path.parent)))


def check_quickly(folder: Path) -> None:
    """Raises a ConfigError on the first defect, but doesn't read the waveforms."""
    for sentence in defects(folder, unread=(WAVEFORMS,)):
        raise ConfigError(sentence)


class Inspection:
    """Looks for defects of caches in a thread, while a training already reads them.

    hashlib lets other threads run meanwhile. The thread ends with the process.
    """

    def __init__(self, folders: Iterable[Path]):
        self.folders = list(dict.fromkeys(folders))
        self.found = []
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        for folder in self.folders:
            try:
                self.found += defects(folder)
            except OSError as error:
                self.found.append(f"{folder} can't be read ({error}): look after its disk.")

    def check(self) -> None:
        """Raises a ConfigError if a defect was found so far."""
        if self.found:
            raise ConfigError(self.found[0])

    def finish(self) -> None:
        """Waits for the thread, then checks."""
        self.thread.join()
        self.check()
