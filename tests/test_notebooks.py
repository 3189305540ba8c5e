"""The notebooks, executed from top to bottom on small runs, and as they are committed."""

import ast
import base64
import io
import re
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from IPython.core.inputtransformer2 import TransformerManager

from audition.reports.listening.players import players
from audition.reports.report_card import score_table
from tests.support import road

NOTEBOOKS = sorted((road.ROOT / "notebooks").glob("*.ipynb"))


def read(name):
    return nbformat.read(road.ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def execute(name, **parameters):
    """The notebook, executed as Jupyter does it, in its own folder, with other parameters.

    Args:
        parameters: assigned after the cell that has the tag "parameters".
    """
    notebook = read(name)
    (place,) = [
        i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", ())
    ]
    lines = [f"{key} = {value!r}" for key, value in parameters.items()]
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    where = {"metadata": {"path": str(road.ROOT / "notebooks")}}
    return nbclient.NotebookClient(notebook, timeout=120, resources=where).execute()


def outputs(notebook, ident):
    """list of dict, MIME type → content, of what the cell `ident` shows; print is "text/plain"."""
    (cell,) = [cell for cell in notebook.cells if cell.id == ident]
    return [one.get("data", {"text/plain": one.get("text", "")}) for one in cell.outputs]


def text_of(notebook, ident):
    return "\n".join(one.get("text/html", one["text/plain"]) for one in outputs(notebook, ident))


def num_pictures(notebook, ident):
    return sum("image/png" in one for one in outputs(notebook, ident))


@pytest.fixture
def two_seeds(instantiate):
    runs = instantiate("sweep.parameters = {'train.seed': [0, 1]}", "train.num_epochs = 1")
    for run in runs:
        road.call("all", run.config)
    return runs


def test_report_card(two_seeds):
    tables = [score_table(run) for run in two_seeds]
    shown = execute("report_card", RUNS=[str(run.folder.parent) for run in two_seeds[:1]])
    runs, scores = text_of(shown, "runs"), text_of(shown, "scores")
    mean = np.mean([table["SI-SDRi"].mean() for table in tables])
    assert f"<td>{mean:.2f}</td>" in runs and runs.count("(2 seeds)") == 1
    for run in two_seeds:
        assert run.report_card_txt.read_text() in text_of(shown, "cards")
    assert scores.count("<tr") == 1 + 2 * 4 * 2  # runs, tracks, sources
    assert "2 ± " in text_of(shown, "differences")
    assert num_pictures(shown, "means") == 1 and num_pictures(shown, "figures") == 4
    heard = text_of(shown, "players")
    assert (
        heard.count("<audio") == 3 * 7
    )  # three tracks: mixture, two references, two estimates each
    assert [heard.count(rank) for rank in (": worst", "median", ": best")] == [1, 1, 1]


def test_bootstrapping(bootstrapped):
    rounds = [bootstrapped.folder / f"round{number}" for number in range(3)]
    shown = execute(
        "bootstrapping",
        SEGMENTS=[str(one / "segments") for one in rounds[1:]],
        MODELS=[str(one) for one in rounds],
    )
    table = pd.read_csv(bootstrapped.folder / "rounds.csv")
    assert text_of(shown, "segments").count("<tr") == 2 + 2 * 9
    for r in table["r"][1:]:
        assert f"{r:.6f}" in text_of(shown, "calibration")
    pictures = [num_pictures(shown, name) for name in ("calibration", "quintiles", "models")]
    assert pictures == [2, 2, 2]  # a round each, and a source each
    for mean in table["OVERALL"]:
        assert f"{mean:z.2f}" in text_of(shown, "models")
    players = text_of(shown, "players")
    assert players.count("<audio") == 2 * 2 * 3  # rounds, segments, signals
    assert "confidence" in players


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_committed(path):
    """No outputs, no traces of a machine, and nothing that other code would want to import."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
            defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
            source = TransformerManager().transform_cell(cell.source)  # magics are no Python
            assert not any(isinstance(node, defined) for node in ast.walk(ast.parse(source)))


def test_players_share_one_gain_and_escape_names():
    loud = 0.3 * np.sin(2 * np.pi * 440 / 16000 * np.arange(16000))[None]
    html = players({"a <b>": {"loud & clear": loud, "quiet": loud / 10}}, 16000)
    assert "a &lt;b&gt;" in html and "loud &amp; clear" in html
    sounds = re.findall('data:audio/mpeg;base64,([^"]+)', html)
    read = [soundfile.read(io.BytesIO(base64.b64decode(one)))[0] for one in sounds]
    assert np.std(read[0]) / np.std(read[1]) == pytest.approx(10, rel=0.05)
    assert html.count("data:image/webp") == 2


def test_there_are_notebooks():
    assert {Path(path).stem for path in NOTEBOOKS} == {"report_card", "bootstrapping"}
