"""Choose segments to learn from: a folder of links to their files."""

import logging
import os
import re
from pathlib import Path

import gin

from src.datasets.segments import segment_table
from src.datasets.selection import select
from src.errors import ConfigError
from src.files import read_json, write_json
from src.passports import describe

log = logging.getLogger(__name__)
MARKER = "selection.json"


@gin.configurable(denylist=["run"])
def construct_symlink_folder(
    run, segments=gin.REQUIRED, destination=gin.REQUIRED, rules=gin.REQUIRED
):
    """Fills `<destination>/{mix,s0,s1,…}` with relative links to the segments that the rules keep.

    The layout is that of MixSourceFolder, with the sources s0, s1, … to train on. A second call
    replaces the links of the first. No file is ever deleted, and no link that this command did not
    make: a destination that holds anything else is refused.

    Args:
        run: not used; a choice of segments belongs to no run.
        segments: folder that segment_and_separate filled.
        destination: folder of the links, new or made by this command.
        rules: list of functions of the table of segments that say which rows stay, such as
            `@PercentilesBetween()` and `@LabelIn()`, in order; each sees what those before it kept.
    """
    segments, destination = Path(segments), Path(destination)
    if destination.resolve() == segments.resolve():
        raise ConfigError("construct_symlink_folder.destination is segments; give another folder.")
    table = segment_table(segments)
    kept = select(table, rules)
    old = own_links(destination)
    links = {
        f"{stem}/{name}.wav": segments / stem / f"{name}.wav"
        for stem in stems(segments)
        for name in kept.index
    }
    selection = {"rules": [describe(rule) for rule in rules], "num_segments": len(kept)}
    write_json(destination / MARKER, {**selection, "links": sorted({*links, *old})})
    for link in old:
        (destination / link).unlink(missing_ok=True)
    for link, target in links.items():
        make_link(destination / link, target)
    write_json(destination / MARKER, {**selection, "links": sorted(links)})
    log.info("%d of %d segments linked in %s", len(kept), len(table), destination)


def stems(segments):
    """mix, s0, s1, …: the folders that hold audio."""
    return sorted(
        path.name
        for path in segments.iterdir()
        if path.is_dir() and re.fullmatch(r"mix|s\d+", path.name)
    )


def own_links(destination):
    """The links in `destination` that this command made, as it noted them; refuses all else."""
    marker = destination / MARKER
    noted = set(read_json(marker).get("links", ())) if marker.exists() else set()
    paths = [path for path in destination.rglob("*") if path.is_symlink() or not path.is_dir()]
    for path in paths:
        is_own = path.is_symlink() and path.relative_to(destination).as_posix() in noted
        if not (is_own or (path == marker and noted)):
            raise ConfigError(
                f"construct_symlink_folder.destination = {str(destination)!r} holds {path.name}, "
                "which is not a link of this command: give a new or empty folder."
            )
    return noted


def make_link(path, target):
    """A link that holds as long as the two folders move together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.relpath(target.resolve(), path.parent.resolve()))
