"""What CHANGELOG.md and CITATION.cff say can be used as it stands."""

import importlib
import re

import pytest
import yaml

from tests.support import documents

MOVED = re.findall(
    r"^\| (.+?) \| `src[\w.]*` \| `([\w.]+)` \|", documents.read("CHANGELOG.md"), re.M
)


@pytest.mark.parametrize(("names", "module"), MOVED, ids=[module for _, module in MOVED])
def test_a_moved_name_is_where_the_table_says(names, module):
    found = importlib.import_module(module)
    assert all(hasattr(found, name) for name in re.findall(r"`(\w+)`", names))


def test_there_is_a_table():
    assert len(MOVED) > 5


def test_the_citation_file_is_complete():
    cited = yaml.safe_load(documents.read("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert all({"title", "year", "authors", "type"} <= set(one) for one in cited["references"])
