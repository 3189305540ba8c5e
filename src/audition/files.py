"""Files that are whole or not there, and folders that say what they hold."""

import contextlib
import json
import os
import tempfile
from pathlib import Path

from audition.errors import ConfigError
from audition.identity import former


@contextlib.contextmanager
def write_and_rename(path, mode="w"):
    """Opens a temporary file beside `path` and moves it there once it is complete and on the disk.

    A kill or a full disk in between leaves the old `path` as it was; the temporary file is removed
    unless the process itself was killed.

    Args:
        path: the file to write; its folder is made when missing.
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


def current_umask():
    """The process's file mode mask; the only way to read it is to set it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def files_below(folder, suffixes, above=()):
    """Sorted paths of the files with these suffixes, at any depth, in linked folders, too.

    Hidden folders are left out, and the `._` files that macOS puts beside others.

    Args:
        above: real paths of the folders that this one lies in, to which no link leads back.
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


def write_json(path, value):
    """Writes `value` as indented JSON, whole or not at all."""
    with write_and_rename(path) as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def read_json(path):
    return json.loads(Path(path).read_text())


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
