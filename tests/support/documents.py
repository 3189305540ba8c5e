"""What the documents print: their fenced blocks, their command lines, their links."""

import re
import subprocess
from typing import NamedTuple

from tests.support.road import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A module of a reader's own, and the lines of .gin that use it."""

    noun: str
    module: str
    code: str
    gin: str


def tracked(*patterns):
    """Paths of the files that git tracks, or would track, in the root of the project."""
    line = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in sorted(done.stdout.splitlines())]


def documents():
    return [path for path in tracked("*.md") if path.exists()]


def read(name):
    return (ROOT / name).read_text()


def blocks(text, language=None):
    """The fenced blocks of a document in order, as (language, content)."""
    found = FENCE.findall(text)
    return [block for block in found if language is None or block[0] == language]


def snippets(text):
    """Sections "A noun" that have a module and the .gin lines that use it."""
    for section in re.split(r"^(?=##+ )", text, flags=re.MULTILINE):
        heading = re.match(r"##+ (?:A|An) ([\w ]+)\n", section)
        modules = [code for _, code in blocks(section, "python") if code.startswith("# ")]
        if heading and modules:
            (code,), ((_, gin),) = modules, blocks(section, "gin")
            yield Snippet(heading[1], re.match(r"# (\w+)\.py\n", code)[1], code, gin)


def write_snippet(snippet, folder, paths):
    """Writes the module of a snippet to `folder`, and its lines as the .gin file that comes back.

    Args:
        paths: dict, a path as printed → the one to write in its place.
    """
    (folder / f"{snippet.module}.py").write_text(snippet.code)
    lines = snippet.gin
    for printed, path in paths.items():
        lines = lines.replace(printed, str(path))
    (folder / "own.gin").write_text(lines)
    return folder / "own.gin"


def command_lines(text):
    """The indented commands of a document as words; a backslash goes on with the next line."""
    text = text.replace("\\\n", " ")
    lines = re.findall(r"^    (?:\S+=\S+ )?(python main\.py .+?|sh .+?)(?: +#.*)?$", text, re.M)
    return [re.sub(r" && .*", "", line) for line in lines]


def links(text):
    """Targets of the links and pictures of a document, without those to the web."""
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text))
    return [target for target in targets if "://" not in target]
