"""Results of many items, one JSON file each, that say what they are results of."""

from pathlib import Path

from audition.files import read_json, write_json
from audition.identity import fingerprint, passport_and_former

STAMP = ("passport", "settings")  # of a result's metadata: what `Results` adds to it


class Results:
    """Results of some items with some settings, in a folder: `<folder>/<name>.json`.

    A result is a dict with an entry "metadata", which holds its passport: the fingerprint of the name
    of its item, of what is known of that, and of the settings. Other files in the folder are left alone.

    Args:
        folder: Path; made with the first result.
        settings: JSON-able: all that shapes a result but the item.
        items: dict, name → tuple of what tells that the item is unchanged.
    """

    def __init__(self, folder: Path, settings: dict, items: dict[str, tuple]):
        self.folder = folder
        self.settings = fingerprint(settings)
        self.passports = {
            name: passport_and_former(name, *item, settings) for name, item in items.items()
        }

    def todo(self) -> list[int]:
        """Positions among the items of those that have no result yet."""
        self.adopt_former()
        done = {
            name for name, result in read_results(self.folder).items() if self.holds(name, result)
        }
        return [i for i, name in enumerate(self.passports) if name not in done]

    def holds(self, name: str, result: dict) -> bool:
        """Whether a result is what the item and the settings would give today."""
        return name in self.passports and passport_of(result) == self.passports[name][0]

    def adopt_former(self) -> None:
        """Gives results that version 0.1 wrote, and that still hold, the passports of today."""
        for name, result in read_results(self.folder).items():
            current, before = self.passports.get(name, (None, None))
            if passport_of(result) == before != current:
                self.write(name, result)

    def write(self, name: str, result: dict) -> None:
        stamp = dict(zip(STAMP, (self.passports[name][0], self.settings), strict=True))
        write_json(self.path(name), {**result, "metadata": {**result["metadata"], **stamp}})

    def remove_others(self) -> int:
        """Deletes the results, of ours, of other items or settings; how many they were."""
        present = read_results(self.folder).items()
        others = [name for name, result in present if not self.holds(name, result)]
        for name in others:
            self.path(name).unlink()
        return len(others)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def read_results(folder: Path) -> dict[str, dict]:
    """Name → result, by name, of all results in a folder; other files in it are left alone."""
    found = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
    return {name: one for name, one in found.items() if passport_of(one) is not None}


def passport_of(found: object) -> str | None:
    """The passport of a parsed file; None where it is no result of ours."""
    about = found.get("metadata") if isinstance(found, dict) else None
    return about.get("passport") if isinstance(about, dict) else None
