"""What counts as the code of a result: content, wherever it lies, and what it imports."""

import importlib
import sys

import pytest

from audition import code
from audition.identity import describe
from audition.metrics import BSSEvalScale
from audition.separators import MaskEstimation

METRIC = '''"""A metric."""
from audition.errors import ConfigError
from mine.maths import square


class Mine:
    """Docstring."""

    def score(self, x):
        # a comment
        return square(x) + 1
'''
MATHS = "def square(x):\n    return x * x\n"


@pytest.fixture
def hashes(tmp_path, monkeypatch):
    """Writes the package `mine` and returns the hashes of its class `Mine`."""
    monkeypatch.syspath_prepend(tmp_path)

    def hashes(metric=METRIC, maths=MATHS, name="metric"):
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        for stem, text in (("__init__", ""), (name, metric), ("maths", maths)):
            (folder / f"{stem}.py").write_text(text)
        for module in [one for one in sys.modules if one.partition(".")[0] == "mine"]:
            del sys.modules[module]
        importlib.invalidate_caches()
        for cached in (code.read, code.ours, code.notes):
            cached.cache_clear()
        mine = importlib.import_module(f"mine.{name}").Mine
        found = code.code_of(describe([mine()]))
        return {module: one for module, one in found.items() if module.startswith("mine")}

    yield hashes
    for module in [one for one in sys.modules if one.partition(".")[0] == "mine"]:
        del sys.modules[module]


def test_a_users_module_and_what_it_imports_count(hashes):
    before = hashes()
    assert set(before) == {"mine.metric", "mine.maths"}
    after = hashes(maths=MATHS.replace("x * x", "x ** 2"))
    assert after["mine.maths"] != before["mine.maths"]
    assert after["mine.metric"] == before["mine.metric"]


@pytest.mark.parametrize(
    "metric",
    [
        METRIC.replace("Docstring", "A better docstring").replace("# a comment", ""),
        METRIC.replace("(self, x)", "(self, x: float) -> float"),
        METRIC.replace("square(x) + 1", "(\n            square(x)\n            + 1)"),
    ],
    ids=["documents", "annotations", "layout"],
)
def test_what_shapes_no_number_does_not_count(hashes, metric):
    before = hashes()
    assert metric != METRIC and hashes(metric) == before


@pytest.mark.parametrize(
    "change", [("+ 1", "+ 1.0"), ("+ 1", "- 1"), ("+ 1", "+ True"), ("score", "scores")]
)
def test_any_other_change_counts(hashes, change):
    assert set(hashes(METRIC.replace(*change)).values()) != set(hashes().values())


def test_a_module_may_move(hashes):
    assert set(hashes(name="elsewhere").values()) == set(hashes().values())


def test_ours_are_found_and_packages_are_not():
    found = code.code_of(describe([BSSEvalScale()]), MaskEstimation)
    assert {"audition.metrics.bss_eval", "audition.metrics.scores"} <= set(found)
    assert {"audition.separators.networks", "audition.compat.corrections"} <= set(found)
    assert all(module.startswith("audition.") for module in found)
    assert not any("configs" in module or "reports" in module for module in found)


def test_what_a_source_says_is_noted_under_its_content(hashes, tmp_path, monkeypatch):
    monkeypatch.setattr(code, "NOTES", tmp_path / "notes.json")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    taken, take_apart = [], code.take_apart
    monkeypatch.setattr(code, "take_apart", lambda one: taken.append(one) or take_apart(one))
    before, num_sources = hashes(), len(taken)
    assert num_sources > 5 and hashes() == before and len(taken) == num_sources
    changed = hashes(maths=MATHS.replace("x * x", "x ** 2"))
    assert taken[num_sources:] == [b"def square(x):\n    return x ** 2\n"]
    assert changed["mine.maths"] != before["mine.maths"]
    code.NOTES.write_text(code.NOTES.read_text().replace(before["mine.maths"], "0" * 16))
    assert hashes() == before
    monkeypatch.setattr(code, "own_source", lambda: b"takes apart otherwise")
    taken.clear()
    assert hashes() == before and len(taken) == num_sources
