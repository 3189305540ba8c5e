"""Benchmarks are run by hand: they must at least find what they measure."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.parametrize(
    "name", sorted(p.stem for p in FOLDER.glob("*.py") if p.stem != "__init__")
)
def test_a_benchmark_imports(name):
    importlib.import_module(f"benchmarks.{name}")
