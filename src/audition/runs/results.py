"""Results of many items, one JSON file each, that say what they are results of."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from audition.files import Damaged, inside, read_json, write_json
from audition.identity import file_sha256, file_state, fingerprint

log = logging.getLogger(__name__)
FILES = "files"  # in a result's metadata: what `describe_files` says of the audio written with it
STAMP = ("passport", "settings", FILES)  # metadata that say nothing about the item


def no_fault(name: str, result: dict) -> None:
    return None


class Results:
    """Results of some items with some settings, in a folder: `<folder>/<name>.json`.

    A result is a dict whose entry "metadata" holds its passport: the fingerprint of its item's
    name, of what is known about that item, of the settings and of the code. Other files in the
    folder are left alone. A result that is damaged, or whose audio was changed or deleted, counts as
    missing.

    Args:
        folder: created with the first result.
        settings: JSON-able; everything but the item and the code that shapes a result.
        items: name → what shows that the item is unchanged.
        code: module → hash of the modules that shape a result, see `code_of`.
    """

    def __init__(self, folder: Path, settings: dict, items: dict[str, tuple], code: dict[str, str]):
        self.folder = folder
        self.code = code
        self.recorded_code, self.recorded = folder.with_name(f".{folder.name}.code"), False
        made_by = [settings, sorted({*code.values()})]  # without names, as modules may move
        self.settings = fingerprint(made_by)
        self.passports = {
            name: fingerprint([name, *item, *made_by]) for name, item in items.items()
        }

    def todo(self, fault: Callable[[str, dict], str | None] = no_fault) -> list[int]:
        """Positions of the items that have no result yet.

        Args:
            fault: why the result of that name can't be used; None if it can.
        """
        present, damaged = read_whole(self.folder)
        for error in damaged:
            log.warning("%s is damaged (%s), so it counts as missing", error.path, error.why)
        good = {name: one for name, one in present.items() if fault(name, one) is None}
        done = {name for name, one in good.items() if self.is_done(name, one)}
        return [i for i, name in enumerate(self.passports) if name not in done]

    def is_done(self, name: str, result: dict) -> bool:
        if not self.holds(name, result):
            return False
        changed = changed_files(self.folder.parent, result["metadata"].get(FILES, {}))
        if changed:
            log.warning("%s was changed or deleted, so %s is made again", changed[0], name)
        return not changed

    def holds(self, name: str, result: dict) -> bool:
        """Whether a result is what its item, the settings and the code would give today."""
        return name in self.passports and passport_of(result) == self.passports[name]

    def why_again(self) -> str:
        """What is to be said of results here that other code made; empty if there are none."""
        if not read_whole(self.folder)[0]:
            return ""
        if not self.recorded_code.is_file():
            return "made by a version that did not record its code"
        known = {*read_json(self.recorded_code).values()}
        changed = [module for module, content in self.code.items() if content not in known]
        return f"made before {', '.join(changed)} changed" if changed else ""

    def write(self, name: str, result: dict) -> None:
        if not self.recorded:
            write_json(self.recorded_code, self.code)
            self.recorded = True
        stamp = {"passport": self.passports[name], "settings": self.settings}
        about = {**result["metadata"], **stamp}
        without = {key: value for key, value in result.items() if key != "metadata"}
        write_json(self.path(name), {**without, "metadata": about})

    def remove_others(self) -> int:
        """Deletes our results of other items, settings or code; returns how many there were."""
        present = read_whole(self.folder)[0].items()
        others = [name for name, result in present if not self.holds(name, result)]
        for name in others:
            self.path(name).unlink()
        return len(others)

    def path(self, name: str) -> Path:
        return inside(self.folder, f"{name}.json")


def read_results(folder: Path) -> dict[str, dict]:
    """Name → result, sorted by name, of all results in a folder; other files are ignored.

    Raises:
        Damaged: a file is not as it was written.
    """
    found, damaged = read_whole(folder)
    if damaged:
        raise damaged[0]
    return found


def read_whole(folder: Path) -> tuple[dict[str, dict], list[Damaged]]:
    """`(name → result, errors of the files that are damaged)`."""
    found, damaged = {}, []
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = read_json(path, object)  # others' files may hold anything
        except Damaged as error:
            damaged.append(error)
    ours = {name: one for name, one in found.items() if passport_of(one) is not None}
    return ours, damaged


def describe_files(root: Path, paths: Iterable[Path]) -> dict[str, tuple[int, int, str]]:
    """Dict, path below `root` → size, time in ns and sha256 of a file that belongs to a result."""
    return {
        path.relative_to(root).as_posix(): (*file_state(path), file_sha256(path)) for path in paths
    }


def changed_files(root: Path, files: dict[str, list], thorough: bool = False) -> list[Path]:
    """Which of the files that `describe_files` described have another content now, or none.

    Args:
        thorough: also reads files whose size and time are as they were.
    """
    known = {inside(root, name): described for name, described in files.items()}
    return [path for path, about in known.items() if not is_same(path, *about, thorough)]


def is_same(path: Path, size: int, time_ns: int, sha256: str, thorough: bool) -> bool:
    if not path.is_file() or path.stat().st_size != size:
        return False
    untouched = file_state(path) == [size, time_ns] and not thorough
    return untouched or file_sha256(path) == sha256


def passport_of(found: object) -> str | None:
    """The passport in a parsed file; None if the file is not one of our results."""
    about = found.get("metadata") if isinstance(found, dict) else None
    return about.get("passport") if isinstance(about, dict) else None
