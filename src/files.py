"""Files that are whole or not there, and fingerprints of what they hold."""

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path


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


def fingerprint(value):
    """16 hex digits that change when the JSON-able `value` changes, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_sha256(path):
    """sha256 of a file's content, as 64 hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
