"""The harness of `make bench-peers`; the other toolkits' sides need its environments and are run by hand."""

import re
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as table
from benchmarks.peers import corpus, environments, gate, turns
from benchmarks.peers.contests import CONTESTS, Bar, Contest
from benchmarks.peers.turns import Result, Side

ROOT = Path(__file__).parent.parent
SIDES = [side for entry in CONTESTS.values() for side in entry.sides]
TINY = {"num_layers": 1, "hidden_size": 2, "num_frames": 3}


def pinned(path):
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text().replace("-", "_"), re.M))


def test_the_pins_are_those_that_the_tests_run():
    tested = {name: version for name, version in pinned(ROOT / "requirements-peers.txt").items()}
    tested |= pinned(ROOT / "requirements.txt")
    for path in environments.PINS.glob("*.txt"):
        for name, version in pinned(path).items():
            assert tested.get(name, version) == version, f"{name} in {path.name}"


def test_each_side_is_a_function_of_a_module_and_has_an_environment():
    for side in SIDES:
        module, function = side.work.split(".")
        text = (ROOT / f"benchmarks/peers/{module}.py").read_text()
        assert f"\ndef {function}(" in text
        assert side.environment in (*environments.NAMES, "audition")


def test_each_bar_is_of_sides_of_its_contest():
    for entry in CONTESTS.values():
        names = {side.name for side in entry.sides}
        assert {name for bar in entry.bars for name in (bar.above, bar.below)} <= names


def test_sides_take_turns(tmp_path):
    sides = [Side(name, "audition", "torch_side.spectral", TINY) for name in ("one", "other")]
    results = turns.contest(sides, tmp_path, turns=2, pieces=2)
    assert list(results) == ["one", "other"]
    assert all(0 < one.least <= one.middle for one in results.values())


def test_a_side_that_dies_says_why(tmp_path):
    side = Side("broken", "audition", "torch_side.spectral", {"no_such": 1})
    with pytest.raises(SystemExit, match="The side 'broken' died:[^§]*no_such"):
        turns.contest([side], tmp_path, turns=1, pieces=1)


def test_a_turn_ends_after_its_pieces(tmp_path):
    orders = (tmp_path / "orders").open("w+")
    orders.write("3\n1\n")
    orders.seek(0)
    answers = (tmp_path / "answers").open("w+")
    at_gate = gate.Gate(orders, answers)
    for _ in range(gate.WARM_UP + 3):
        at_gate()
    answers.seek(0)
    assert len(answers.readlines()) == 2  # warm, and the first turn
    assert at_gate.left == 1


def test_the_table_compares_with_the_first_side():
    sides = [Side(name, "audition", "torch_side.spectral") for name in ("ours", "theirs")]
    entry = Contest("work", sides, [Bar("name", "theirs", "ours", "at least 2")], pieces=1)
    results = {"ours": Result(0.002, 0.003), "theirs": Result(0.005, 0.006)}
    assert table.rows(entry, results)[1] == "| work | theirs | 5 | 6 | 2.50 |"
    assert table.ratios(entry, results) == ["RATIO peers.name 2.50 (bar at least 2)"]


def test_estimates_are_near_their_references():
    references, estimates = corpus.estimates(0.1, 8000, num_channels=2, num_sources=3)
    assert references.shape == estimates.shape == (3, 800 - 64, 2)
    assert abs(estimates - references).mean() < abs(references).mean()
