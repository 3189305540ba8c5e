"""What the documents say: snippets and commands run as printed, links lead somewhere."""

import re
import shutil
import subprocess
import sys
from glob import glob
from pathlib import Path

import pytest

import main
from audition.commands import COMMANDS, NEED_A_RUN
from audition.runs.folder import Run
from tests.support import documents, road

MAX_COLUMNS = 120
DOCUMENTS = documents.documents()
ADDING = list(documents.snippets(documents.read("docs/adding.md")))
WAVEFORMS = "network from waveforms to waveforms"
NOUNS = {
    *("model", "loss", "corpus", "dataset", "transform of items", "feature", "handler", "metric"),
    *("step", "separator", WAVEFORMS),
}


README_RECIPE = ("toy/env.gin", "wham/wham8k.gin", "toy/exp/deep_clustering.gin")


def name_of(path):
    return str(path.relative_to(road.ROOT))


@pytest.fixture(params=DOCUMENTS, ids=name_of)
def document(request):
    return request.param


def test_every_noun_has_its_snippet():
    assert NOUNS <= {snippet.noun for snippet in ADDING}


@pytest.fixture(scope="module")
def filled_cache(speech, tmp_path_factory):
    """The CACHE_ROOT that a reader has after the README's commands."""
    folder = tmp_path_factory.mktemp("cache")
    paths = (f"WHAM_ROOT = '{speech}'", f"CACHE_ROOT = '{folder}'")
    road.call("cache", *README_RECIPE, *paths)
    return folder


@pytest.mark.parametrize("snippet", ADDING, ids=[snippet.noun for snippet in ADDING])
def test_a_snippet_runs_as_printed(speech, sessions, filled_cache, tmp_path, monkeypatch, snippet):
    """By the two commands of the document, on top of the README's recipe; -b makes it small."""
    monkeypatch.syspath_prepend(tmp_path)
    folders = {"data/sessions": sessions, "cache/sessions": tmp_path / "cache"}
    own = documents.write_snippet(snippet, tmp_path, folders)
    small = [
        "train.num_epochs = 1",
        "train.epoch_length = 1",
        f"train.excerpt_{'seconds = 0.3' if snippet.noun == WAVEFORMS else 'frames = 20'}",
        "build_recurrent_dpcl.hidden_size = 8",
    ]
    compiling, running = documents.command_lines(documents.read("docs/adding.md"))
    paths = {"own.gin": str(own), "toy/exp/out/own": str(tmp_path / "out")}
    words = [paths.get(word, word) for word in compiling.split()[2:]]
    env = tmp_path / "env.gin"  # toy/env.gin and two lines: the folders of a test
    env.write_text(
        f"include 'toy/env.gin'\nWHAM_ROOT = '{speech}'\nCACHE_ROOT = '{filled_cache}'\n"
    )
    words = [str(env) if word == "toy/env.gin" else word for word in words]
    assert main.main([*words, *(flag for text in small for flag in ("-b", text))]) == 0
    pattern = running.split()[3].replace("toy/exp/out/own", str(tmp_path / "out"))
    (config,) = glob(pattern)
    assert main.main([config if "/out/own/" in word else word for word in running.split()[2:]]) == 0
    card = Run(Path(config).parent).report_card_txt.read_text()
    assert ("correlation" if snippet.noun == "metric" else "SI-SDRi") in card


def test_the_table_of_commands_is_complete():
    table = documents.read("docs/commands.md")
    assert all(f"`{command}`" in table for command in COMMANDS)


def test_the_table_of_commands_says_what_needs_a_run():
    rows = re.findall(r"^\| `(\w+)` \| a run \|", documents.read("docs/commands.md"), re.MULTILINE)
    assert sorted(rows) == sorted(NEED_A_RUN)


def test_no_line_names_a_machine(document):
    assert not re.search(r"/root/|/work/|/home/", document.read_text())


def test_no_line_is_too_long(document):
    long = [line for line in document.read_text().splitlines() if len(line) > MAX_COLUMNS]
    assert not long


def test_links_lead_somewhere(document):
    targets = [target.split("#")[0] for target in documents.links(document.read_text())]
    assert not [target for target in targets if not (document.parent / target).exists()]


def test_every_document_can_be_reached_from_the_readme():
    reached, todo = set(), [road.ROOT / "README.md"]
    while todo:
        path = todo.pop().resolve()
        if path.suffix == ".md" and path not in reached:
            reached.add(path)
            todo += [path.parent / link for link in documents.links(path.read_text())]
    assert {path for path in DOCUMENTS if path.parent.name == "docs"} <= reached


def test_command_lines_name_what_is_there(document):
    """Each command exists, and so does each .gin file, but for what runs leave and <placeholders>."""
    for line in documents.command_lines(document.read_text()):
        words = line.split()
        if words[0] == "python" and "COMMAND" not in words:
            assert set(words) & set(COMMANDS), line
        files = [word for word in words if word.endswith(".gin") and "<" not in word]
        for file in files:
            made = (
                "/out/" in file
                or file.endswith("/env.gin")
                or file in ("a.gin", "b.gin", "c.gin", "own.gin")
            )
            assert made or (road.ROOT / file).exists(), line


SMALLER = {
    "make_toy_speech": "make_toy_speech.num_mixtures = {'tr': 16, 'cv': 4, 'tt': 4}",
    "instantiate": "train.num_epochs = 1",
    "cache": "train.epoch_length = 2",
    "all": "train.epoch_length = 2",
}


def commands(heading):
    """The command lines that README.md prints under a heading, as words."""
    section = documents.read("README.md").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.split() for line in documents.command_lines(section)]


def turned(words):
    """The same words with the command at the other end."""
    name = next(word for word in words if word in COMMANDS)
    rest = [word for word in words if word != name]
    return [name, *rest] if words[-1] == name else [*rest, name]


@pytest.fixture
def checkout(tmp_path):
    """A copy of what git tracks, in which commands may write."""
    files = subprocess.run(["git", "ls-files"], cwd=road.ROOT, capture_output=True, text=True)
    for name in files.stdout.splitlines():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(road.ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("order", [list, turned], ids=["as printed", "the other order"])
def test_the_commands_by_hand_run_as_printed(checkout, order):
    """Only their size is changed, by -b; run.sh is what a test of its own is about."""
    done = []
    for program, script, *words in commands("Five minutes without data or GPU"):
        if program == "sh":
            continue
        words = [
            path for word in words for path in (sorted(glob(word, root_dir=checkout)) or [word])
        ]
        (name,) = set(words) & set(COMMANDS)
        line = [sys.executable, script, *order(words), "-b", SMALLER[name]]
        answer = subprocess.run(line, cwd=checkout, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stderr
        done.append(name)
    assert done == ["make_toy_speech", "instantiate", "cache", "all"]
    assert (
        checkout / "toy/exp/out/deep_clustering/run0:LOSS:WhitenedKMeansLoss/report_card.txt"
    ).exists()
