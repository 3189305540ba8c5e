"""Folders that a command fills: each says by a marker file what it holds, so no other is touched."""

from src.errors import ConfigError
from src.files import read_json, write_json
from src.passports import former


def claim(root, marker, settings, binding, contents):
    """Marks `root` as the work of these settings, or refuses a folder that is something else.

    Args:
        root: Path of the folder; made when missing.
        marker: name of the JSON file in `root` that holds the settings.
        settings: JSON-able dict of all that shapes the content.
        binding: the gin binding that gave `root`, for the sentence.
        contents: what the folder holds, such as "a toy corpus", for the sentence.
    """
    path = root / marker
    if not path.exists():
        held = list(root.iterdir()) if root.exists() else []
        # a hidden file of the marker's name is of a process that was killed while it wrote that
        if not all(path.name.startswith(f".{marker}.") for path in held):
            raise ConfigError(
                f"{binding} = {str(root)!r} holds files but no {marker}, so it is not {contents}: "
                "give a new or empty folder."
            )
        write_json(path, settings)
    held = read_json(path)
    as_before = former(settings)
    differing = [key for key in settings if held.get(key) not in (settings[key], as_before[key])]
    if differing:
        raise ConfigError(
            f"{binding} = {str(root)!r} holds {contents} of other settings ({', '.join(differing)} "
            "differ): give another folder, or remove this one."
        )
