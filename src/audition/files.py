"""Files written whole or not at all, and folders that say what they hold."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from audition.errors import ConfigError
from audition.identity import former


@contextlib.contextmanager
def write_and_rename(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Opens a temporary file beside `path` and moves it there once it is complete and on disk.

    If the disk fills up or the process is killed, the old `path` stays as it was; the temporary
    file is removed, unless the process was killed.

    Args:
        path: the file to write; its folder is created if missing.
        mode: "w" or "wb".

    Yields:
        the open file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def current_umask() -> int:
    """The process's file mode mask; the only way to read it is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def files_below(
    folder: str | Path, suffixes: Sequence[str], above: tuple[str, ...] = ()
) -> list[Path]:
    """Sorted paths of the files with these suffixes, at any depth, following links to folders.

    Skips hidden folders, and the `._` files that macOS puts beside others.

    Args:
        above: real paths of the folders above this one; a link back to one of them is not followed.
    """
    real, found = os.path.realpath(folder), []
    if real in above or not os.path.isdir(real):
        return []
    for path in Path(folder).iterdir():
        if path.is_dir():
            hidden = path.name.startswith(".")
            found += [] if hidden else files_below(path, suffixes, (*above, real))
        elif path.suffix.lower() in suffixes and not path.name.startswith("._"):
            found.append(path)
    return sorted(found)


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    with write_and_rename(path) as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def read_json(path: str | Path) -> Any:
    return json.loads(Path(path).read_text())


def claim(root: Path, marker: str, settings: dict, binding: str, contents: str) -> None:
    """Marks `root` as the work of these settings, or refuses a folder that holds something else.

    Args:
        root: the folder; created if missing.
        marker: name of the JSON file in `root` that holds the settings.
        settings: JSON-able dict of everything that shapes the content.
        binding: the gin binding that gave `root`, for the error.
        contents: what the folder holds, such as "a toy corpus", for the error.
    """
    path = root / marker
    if not path.exists():
        held = list(root.iterdir()) if root.exists() else []
        # a hidden file named after the marker is left by a process killed while writing the marker
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
            f"{binding} = {str(root)!r} holds {contents} made with other settings "
            f"({', '.join(differing)} differ): give another folder, or remove this one."
        )
