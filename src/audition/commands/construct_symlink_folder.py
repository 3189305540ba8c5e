"""Choose segments to learn from, as a folder of links to their files."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
import pandas

from audition.bootstrap.segments import RESULTS, segment_table, stems
from audition.bootstrap.selection import MARKER, select
from audition.errors import ConfigError
from audition.files import inside, read_json, write_json
from audition.identity import describe
from audition.runs.folder import Run
from audition.runs.results import FILES, changed_files

log = logging.getLogger(__name__)


@gin.configurable(denylist=["run"])
def construct_symlink_folder(
    run: Run | None,
    segments: str | Path | Sequence[str | Path] = gin.REQUIRED,
    destination: str | Path = gin.REQUIRED,
    rules: Sequence[Callable] = gin.REQUIRED,
) -> None:
    """Fills `<destination>/{mix,s0,s1,…}` with relative links to the segments that the rules keep.

    The layout is that of MixSourceFolder, with the sources s0, s1, … to train on. A second call
    replaces the links of the first. The command deletes no file, and no link that it did not make;
    it refuses a destination that holds anything else.

    Args:
        run: not used; a choice of segments belongs to no run.
        segments: folder that segment_and_separate filled, or a list of such folders, treated as
            one.
        destination: folder of the links, new or made by this command.
        rules: list of functions of the table of segments that say which rows to keep, such as
            `@PercentilesBetween()` and `@LabelIn()`, in order; each sees what those before it have
            kept.
    """
    folders = [Path(one) for one in ([segments] if isinstance(segments, str | Path) else segments)]
    destination = Path(destination)
    if destination.resolve() in [folder.resolve() for folder in folders]:
        raise ConfigError("construct_symlink_folder.destination is segments; give another folder.")
    table = joined_table(folders)
    kept = select(table, rules)
    check_audio(kept)
    old, stems_of = own_links(destination), {folder: stems(folder) for folder in folders}
    links = {
        f"{stem}/{name}.wav": folder / stem / f"{name}.wav"
        for name, folder in kept["folder"].items()
        for stem in stems_of[folder]
    }
    selection = {"rules": [describe(rule) for rule in rules], "num_segments": len(kept)}
    write_json(destination / MARKER, {**selection, "links": sorted({*links, *old})})
    for link in old:
        inside(destination, link).unlink(missing_ok=True)
    for link, target in links.items():
        make_link(inside(destination, link), target)
    write_json(destination / MARKER, {**selection, "links": sorted(links)})
    log.info("%d of %d segments linked in %s", len(kept), len(table), destination)


def joined_table(folders: list[Path]) -> pandas.DataFrame:
    """The tables of all folders as one, with the `folder` of each segment."""
    table = pandas.concat([segment_table(folder).assign(folder=folder) for folder in folders])
    twice = table.index[table.index.duplicated()]
    if len(twice):
        raise ConfigError(
            f"construct_symlink_folder.segments has several segments {twice[0]!r}; rename a "
            "recording and separate it again."
        )
    return table


def check_audio(kept: pandas.DataFrame) -> None:
    """Refuses segments whose audio is not that which their results were written with."""
    for name, folder in kept["folder"].items():
        about = read_json(folder / RESULTS / f"{name}.json")["metadata"]
        if harmed := changed_files(folder, about.get(FILES, {})):
            raise ConfigError(
                f"{harmed[0]} was changed or deleted since segment_and_separate wrote it: run that "
                f"into {str(folder)!r} again, which makes it anew."
            )


def own_links(destination: Path) -> set[str]:
    """The links in `destination` that this command made, by its record; refuses anything else."""
    marker = destination / MARKER
    for unfinished in destination.glob(f".{MARKER}.*"):  # left by a process that was killed
        unfinished.unlink()
    noted = set(read_json(marker).get("links", ())) if marker.exists() else set()
    for link in noted:
        inside(destination, link)
    paths = [path for path in destination.rglob("*") if path.is_symlink() or not path.is_dir()]
    for path in paths:
        is_own = path.is_symlink() and path.relative_to(destination).as_posix() in noted
        if not (is_own or (path == marker and noted)):
            raise ConfigError(
                f"construct_symlink_folder.destination = {str(destination)!r} holds {path.name}, "
                "which is not a link of this command: give a new or empty folder."
            )
    return noted


def make_link(path: Path, target: Path) -> None:
    """A relative link, which stays valid if the two folders are moved together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(target.resolve(), path.parent.resolve()))
