"""Read all that a run has written, and tell what is not as it was written."""

import logging
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from audition import weights
from audition.bootstrap.segments import COMPLETE, RESULTS, missing_segments
from audition.bootstrap.selection import MARKER as SELECTION
from audition.datasets import waveform_cache
from audition.datasets.waveform_cache.places import MANIFEST
from audition.errors import ConfigError
from audition.files import inside, read_json
from audition.parallel import ItemsFailed
from audition.progress import Progress
from audition.runs.folder import Run, is_edited, run_number
from audition.runs.results import FILES, changed_files, passport_of
from audition.training import checkpoints

log = logging.getLogger(__name__)
MODEL = "".join(Run(Path()).best_model.suffixes)
CHECKPOINT = Run(Path()).latest.suffix


class FilesDamaged(ItemsFailed):
    """Some files are not as they were written; each has been named."""

    def __init__(self, number: int, total: int):
        Exception.__init__(self, f"{number} of {total} files are missing or damaged")


def verify(folders: Sequence[str | Path]) -> None:
    """Prints one line for each file that is damaged or missing; exit 1 if there is one.

    Reads every JSON file, result, segment, checkpoint, model file and picture in run folders,
    out folders with all their runs, a bootstrap with its rounds, folders of segments, or a CACHE_ROOT,
    and compares them with their checksums; audio with that of the result it belongs to. Files of earlier versions
    have no checksum: they need only be readable. Logs are left out. Nothing is changed; what a line
    names is made again by the command that wrote it.

    Args:
        folders: what stands after -c: folders, or the config.gin of runs.

    Raises:
        ConfigError: a folder doesn't exist.
        FilesDamaged: there were defects.
    """
    paths = [path for folder in folders for path in files_of(Path(folder))]
    defects = 0
    for path in Progress(paths, "verify", unit="file"):
        for where, why in defects_of(path):
            log.error("%s: %s", where, why)
            defects += 1
    if defects:
        raise FilesDamaged(defects, len(paths))
    log.info("%d files are as they were written", len(paths))


def files_of(folder: Path) -> list[Path]:
    """The folders and files to look at; links are not followed, since what they lead to is others'."""
    if not folder.exists():
        raise ConfigError(f"there is no {folder} to verify; give a run or an out folder after -c.")
    folder = folder if folder.is_dir() else folder.parent
    below = [path for path in folder.rglob("*") if not path.is_symlink()]
    hidden_or_log = re.compile(r"^\.|^logs$")
    return [
        path
        for path in sorted([folder, *below])
        if not any(map(hidden_or_log.search, path.relative_to(folder).parts))
    ]


def defects_of(path: Path) -> Iterator[tuple[Path, str]]:
    """Yields `(path, what is wrong with it)`."""
    if path.is_dir():
        yield from missing_in(path)
        return
    check = next((check for suffix, check in CHECKS.items() if path.name.endswith(suffix)), None)
    try:
        yield from check(path) if check else ()
    except Exception as error:  # whatever a damaged file makes a reader raise
        yield path, f"{getattr(error, 'why', error)}"


def missing_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """What should be in a folder, by what else is there."""
    run = Run(folder)
    if run_number(folder) >= 0 and not run.config.is_file():
        yield run.config, "is missing"
    if run.previous.is_file() and not run.latest.is_file():
        yield run.latest, "is missing"
    if run.latest.is_file() and not run.latest_model.is_file():
        yield run.latest_model, "is missing"


def check_json(path: Path) -> Iterator[tuple[Path, str]]:
    found = read_json(path, object)
    if passport_of(found) is not None:
        for harmed in changed_files(
            path.parents[1], found["metadata"].get(FILES, {}), thorough=True
        ):
            yield harmed, f"is not what {path} says it was"


def check_evaluation(path: Path) -> Iterator[tuple[Path, str]]:
    run = Run(path.parent)
    for track in read_json(path).get("tracks", ()):
        if not (run.results / f"{track}.json").is_file():
            yield run.results / f"{track}.json", "is missing"


def check_selection(path: Path) -> Iterator[tuple[Path, str]]:
    for link in read_json(path)["links"]:
        if not inside(path.parent, link).is_file():
            yield path.parent / link, "is missing, or leads nowhere"


def check_segments(path: Path) -> Iterator[tuple[Path, str]]:
    results = path.parent / RESULTS
    present = {one.stem for one in results.glob("*.json")}
    for name in missing_segments(path.parent, present):
        yield results / f"{name}.json", "is missing"


def check_cache(path: Path) -> Iterator[tuple[Path, str]]:
    """The manifest of a waveform cache, which knows the checksums of all its files."""
    for sentence in waveform_cache.defects(path.parent):
        yield path.parent, sentence


def check_record(path: Path) -> Iterator[tuple[Path, str]]:
    """The record of a run, which knows the checksum of its config."""
    read_json(path)
    run = Run(path.parent)
    if run.config.is_file() and is_edited(run):
        yield run.config, "was changed since instantiate wrote it"


def check_checkpoint(path: Path) -> Iterator[tuple[Path, str]]:
    checkpoints.read(path)
    yield from check_zip(path)


def check_model(path: Path) -> Iterator[tuple[Path, str]]:
    weights.read(path)
    if zipfile.is_zipfile(path):  # of version 0.1, or nussl's
        yield from check_zip(path)


def check_zip(path: Path) -> Iterator[tuple[Path, str]]:
    """A file of torch, which has a checksum of each part that torch itself doesn't compare."""
    with zipfile.ZipFile(path) as file:
        if harmed := file.testzip():
            yield path, f"{harmed} in it doesn't fit its checksum"


def check_picture(path: Path) -> Iterator[tuple[Path, str]]:
    from PIL import Image  # a quarter of a second

    with Image.open(path) as picture:
        picture.verify()
    yield from ()


CHECKS: dict[str, Callable[[Path], Iterator[tuple[Path, str]]]] = {  # by the end of the name
    Run(Path()).evaluation.name: check_evaluation,
    Run(Path()).record.name: check_record,
    SELECTION: check_selection,
    COMPLETE: check_segments,
    MANIFEST: check_cache,
    ".json": check_json,
    MODEL: check_model,
    CHECKPOINT: check_checkpoint,
    ".png": check_picture,
}
