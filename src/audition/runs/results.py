"""Results of many items, one JSON file each, that say what they are results of."""

from pathlib import Path

from audition.files import read_json, write_json
from audition.identity import fingerprint, passport_and_former

STAMP = ("passport", "settings")  # what `Results` adds to a result's metadata


class Results:
    """Results of some items with some settings, in a folder: `<folder>/<name>.json`.

    A result is a dict whose entry "metadata" holds its passport: the fingerprint of its item's
    name, of what is known about that item, and of the settings. Other files in the folder are left
    alone.

    Args:
        folder: created with the first result.
        settings: JSON-able; everything but the item that shapes a result.
        items: name → what shows that the item is unchanged.
    """

    def __init__(self, folder: Path, settings: dict, items: dict[str, tuple]):
        self.folder = folder
        self.settings = fingerprint(settings)
        self.passports = {
            name: passport_and_former(name, *item, settings) for name, item in items.items()
        }

    def todo(self) -> list[int]:
        """Positions of the items that have no result yet."""
        present = read_results(self.folder).items()
        done = {name for name, one in present if self.holds(name, one) or self.adopt(name, one)}
        return [i for i, name in enumerate(self.passports) if name not in done]

    def holds(self, name: str, result: dict) -> bool:
        """Whether a result is what its item and the settings would give today."""
        return name in self.passports and passport_of(result) == self.passports[name][0]

    def adopt(self, name: str, result: dict) -> bool:
        """Gives a result that version 0.1 wrote today's passport if it still holds; says if it does."""
        holds = name in self.passports and passport_of(result) == self.passports[name][1]
        if holds:
            self.write(name, result)
        return holds

    def write(self, name: str, result: dict) -> None:
        stamp = dict(zip(STAMP, (self.passports[name][0], self.settings), strict=True))
        write_json(self.path(name), {**result, "metadata": {**result["metadata"], **stamp}})

    def remove_others(self) -> int:
        """Deletes our results of other items or settings; returns how many there were."""
        present = read_results(self.folder).items()
        others = [name for name, result in present if not self.holds(name, result)]
        for name in others:
            self.path(name).unlink()
        return len(others)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def read_results(folder: Path) -> dict[str, dict]:
    """Name → result, sorted by name, of all results in a folder; other files are ignored."""
    found = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
    return {name: one for name, one in found.items() if passport_of(one) is not None}


def passport_of(found: object) -> str | None:
    """The passport in a parsed file; None if the file is not one of our results."""
    about = found.get("metadata") if isinstance(found, dict) else None
    return about.get("passport") if isinstance(about, dict) else None
