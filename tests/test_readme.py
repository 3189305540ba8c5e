"""The README's snippets run as they are printed, and its commands are those that exist."""

import re

import pytest

from src.commands import COMMANDS
from tests import road

README = (road.ROOT / "README.md").read_text()
SNIPPETS = re.findall(
    r"### (?:A|An) (\w+)\n\n```python\n# (\w+)\.py\n(.+?)```\n```gin\n(.+?)```", README, re.DOTALL
)


def test_every_noun_has_its_snippet():
    nouns = [noun for noun, *_ in SNIPPETS]
    assert nouns == ["model", "loss", "dataset", "handler", "metric", "separator"]


@pytest.mark.parametrize(("noun", "module", "code", "gin"), SNIPPETS, ids=[s[0] for s in SNIPPETS])
def test_a_snippet_runs_the_whole_road(instantiate, tmp_path, monkeypatch, noun, module, code, gin):
    (tmp_path / f"{module}.py").write_text(code)
    (tmp_path / "own.gin").write_text(gin)
    monkeypatch.syspath_prepend(tmp_path)
    (run,) = instantiate(tmp_path / "own.gin", "train.num_epochs = 1", "train.val_data = None")
    road.call("all", run.config)
    card = run.report_card_txt.read_text()
    assert ("correlation" if noun == "metric" else "SI-SDRi") in card


def test_the_table_of_commands_is_complete():
    table = README.split("## Commands")[1].split("## ")[0]
    assert all(f"`{command}`" in table for command in COMMANDS)


def test_no_line_names_a_machine_or_a_package_registry():
    assert not re.search(r"/root/|/work/|/home/", README)
