"""Files written whole or not at all, and folders that say what they hold."""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from audition.errors import ConfigError
from audition.identity import former
from audition.process import this_process
from audition.unfinished import LONGEST_NAME, sweep

if TYPE_CHECKING:  # the ground works without it
    import pandas

guards: list[Callable[[], None]] = []  # called before a file takes its name, unless they raise

log = logging.getLogger(__name__)

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a formula in a spreadsheet begins
CHECKSUM = "sha256"  # last entry of a JSON file, or of its metadata: of the text without it
# as a flipped bit may have left it, or a file whose key is damaged would pass for one without
FOOTER = re.compile(rb',\n +"(.{6})": "(.{64})"((\n *})+\n)\Z', re.DOTALL)
FOOTER_BYTES = 100  # at most
WRITE_AGAIN = "delete it, and run the command that wrote it again"


class Damaged(ConfigError):
    """A file that is not as it was written."""

    def __init__(self, path: str | Path, why: str, what_to_do: str = WRITE_AGAIN):
        self.path, self.why, self.what_to_do = path, why, what_to_do
        super().__init__(f"{path} is damaged ({why}): {what_to_do}.")

    def __reduce__(self) -> tuple[type, tuple]:
        return type(self), (self.path, self.why, self.what_to_do)


@contextlib.contextmanager
def write_and_rename(
    path: str | Path, mode: str = "w", previous: Path | None = None
) -> Iterator[IO]:
    """Opens a temporary file beside `path` and moves it there once it is complete and on disk.

    If the disk fills up or the process is killed, the old `path` stays as it was; the temporary
    file is removed, that of a killed process by the next one that writes into the folder.

    Args:
        path: the file to write; its folder is created if missing.
        mode: "w" or "wb".
        previous: where the file that was at `path` until now is kept; None keeps none.

    Yields:
        the open file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    prefix = f".{path.name[:LONGEST_NAME]}.{this_process()}."
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix)
    try:
        with os.fdopen(descriptor, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~current_umask())
        check_guards()
        if previous is not None and path.exists():
            keep(path, previous)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink(missing_ok=True)
        check_guards()  # one that raises says why the temporary file was gone
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def keep(path: Path, previous: Path) -> None:
    """Gives a file a second name, which stays when another file takes its first."""
    previous.unlink(missing_ok=True)
    try:
        os.link(path, previous)
    except OSError:  # some file systems have no links
        shutil.copyfile(path, previous)


def sync(folder: Path) -> None:
    """Waits until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def guarded(guard: Callable[[], None]) -> Iterator[None]:
    """Meanwhile, no file takes its name if `guard` raises."""
    guards.append(guard)
    try:
        yield
    finally:
        guards.remove(guard)


def check_guards() -> None:
    for guard in guards:
        guard()


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


def inside(folder: str | Path, name: str | Path) -> Path:
    """`folder / name`, where `name` comes from a file and may say anything.

    A link that lies in the folder is in it, wherever it leads.

    Raises:
        ConfigError: that is not in the folder.
    """
    path = Path(folder, name)
    if path.name == ".." or not (path.parent.resolve() / path.name).is_relative_to(
        Path(folder).resolve()
    ):
        raise ConfigError(
            f"{str(name)!r} leads out of {folder}, which no file there may name: remove the file that "
            "names it, and don't trust where it came from."
        )
    return path


def check_links(folder: str | Path) -> None:
    """Raises a ConfigError if a link in the folder, at any depth, leads out of it."""
    for path in Path(folder).rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(Path(folder).resolve()):
            raise ConfigError(
                f"{path} is a link out of {folder}, which --untrusted doesn't allow: remove it, or "
                "leave --untrusted out if you trust it."
            )


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON with a checksum, whole or not at all.

    A list or an empty dict has no place for one. In a dict whose last entry is its metadata, it is
    among these, as others read every entry beside them as scores.
    """
    text = json.dumps(value, indent=2)
    if isinstance(value, dict) and value:
        digest = hashlib.sha256(text.encode()).hexdigest()
        indent, braces = ("    ", "\n  }\n}") if list(value)[-1] == "metadata" else ("  ", "\n}")
        text = f'{text.removesuffix(braces)},\n{indent}"{CHECKSUM}": "{digest}"{braces}'
    with write_and_rename(path) as file:
        file.write(text + "\n")


def read_json(path: str | Path, kind: type = dict) -> Any:
    """What `write_json` wrote, or others; their files and those of version 0.1 have no checksum.

    Args:
        kind: what the file must hold.

    Raises:
        Damaged: the file isn't JSON, or not what its checksum is of, or of another kind.
    """
    content = Path(path).read_bytes()
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(path, "it isn't JSON") from error
    noted = remove_checksum(value)
    footer = FOOTER.search(content, max(0, len(content) - FOOTER_BYTES))
    if footer or noted:
        body = content[: footer.start()] + footer[3].rstrip() if footer else content
        if noted != hashlib.sha256(body).hexdigest():
            raise Damaged(path, "it doesn't fit its checksum")
    if not isinstance(value, kind):
        raise Damaged(path, f"it holds a {type(value).__name__}, not a {kind.__name__}")
    return value


def remove_checksum(value: Any) -> str | None:
    """Takes the checksum out of a parsed file and returns it; None without one."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    for holder in (value, metadata):
        if isinstance(holder, dict) and CHECKSUM in holder:
            return holder.pop(CHECKSUM)
    return None


def read_record(path: Path) -> dict[str, Any]:
    """A JSON file that no result depends on: `{}` if it is missing or damaged, which is said."""
    try:
        return read_json(path) if path.is_file() else {}
    except Damaged as error:
        log.warning("%s is damaged (%s), so it is left out", path, error.why)
        return {}


def write_csv(path: Path, table: "pandas.DataFrame") -> None:
    """Writes a table without its index, at full precision, with texts as of `as_text`."""
    with write_and_rename(path) as file:
        table.rename(columns=as_text).map(as_text).to_csv(file, index=False)


def as_text(cell: Any) -> Any:
    """A cell of a CSV file; a text that a spreadsheet would take for a formula gets a quote before
    it, as the name of a track may come from a stranger. Numbers stay."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


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
    try:
        held = read_json(path)
    except Damaged as error:
        raise ConfigError(
            f"{path} is damaged ({error.why}), so nothing tells what settings made {contents} in "
            f"{binding} = {str(root)!r}: give another folder, or remove this one."
        ) from error
    as_before = former(settings)
    differing = [
        key
        for key in {**settings, **held}
        if held.get(key) not in (settings.get(key), as_before.get(key))
    ]
    if differing:
        raise ConfigError(
            f"{binding} = {str(root)!r} holds {contents} made with other settings "
            f"({', '.join(differing)} differ): give another folder, or remove this one."
        )
