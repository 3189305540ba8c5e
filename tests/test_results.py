"""The store of results: what is done, what is adopted, what is removed, and what is left alone."""

import pytest

from audition.files import read_json, write_json
from audition.identity import Name, fingerprint
from audition.runs.results import Results, read_results

SETTINGS = {"metric": Name("SDR", "src.metrics.SDR"), "seed": 0}
CODE = {"my.metric": "1", "my.signals": "2"}
MADE_BY = [SETTINGS, ["1", "2"]]
ITEMS = {"a": (0, [[10, 1]]), "b": (1, [[20, 1]])}


@pytest.fixture
def store(tmp_path):
    return Results(tmp_path / "results", SETTINGS, ITEMS, CODE)


def result(score):
    return {"voice": {"SDR": [score]}, "metadata": {"track": "song"}}


def fill(store):
    for name in ITEMS:
        store.write(name, result(1.0))


def test_what_is_written_is_done(store):
    assert store.todo() == [0, 1]
    store.write("b", result(1.0))
    assert store.todo() == [0]
    assert read_results(store.folder)["b"]["voice"] == {"SDR": [1.0]}


def test_a_result_says_what_it_is_of(store):
    store.write("a", result(1.0))
    assert read_json(store.folder / "a.json")["metadata"] == {
        "track": "song",
        "passport": fingerprint(["a", *ITEMS["a"], *MADE_BY]),
        "settings": fingerprint(MADE_BY),
    }


@pytest.mark.parametrize(
    ("settings", "items", "todo"),
    [
        ({**SETTINGS, "seed": 1}, ITEMS, [0, 1]),
        (SETTINGS, {**ITEMS, "b": (1, [[20, 2]])}, [1]),
        (SETTINGS, {"c": (0, []), **ITEMS}, [0]),
    ],
    ids=["settings", "file", "item"],
)
def test_what_changed_is_to_do(store, settings, items, todo):
    fill(store)
    assert Results(store.folder, settings, items, CODE).todo() == todo


def test_results_of_other_code_are_made_again_and_it_says_why(store):
    fill(store)
    assert store.why_again() == ""
    moved = {f"elsewhere.{module}": content for module, content in CODE.items()}
    assert Results(store.folder, SETTINGS, ITEMS, moved).todo() == []
    mended = Results(store.folder, SETTINGS, ITEMS, {**CODE, "my.metric": "5"})
    assert mended.todo() == [0, 1]
    assert mended.why_again() == "made before my.metric changed"


def test_results_of_versions_that_did_not_know_their_code_are_made_again(store):
    passport = fingerprint(["a", *ITEMS["a"], SETTINGS])
    write_json(store.path("a"), {"metadata": {"track": "a", "passport": passport}})
    assert store.todo() == [0, 1]
    assert store.why_again() == "made by a version that did not record its code"


def test_only_results_of_ours_are_removed(store):
    fill(store)
    write_json(store.folder / "notes.json", {"metadata": {"by": "hand"}})
    write_json(store.folder / "list.json", [1, 2])
    assert Results(store.folder, SETTINGS, {"a": ITEMS["a"]}, CODE).remove_others() == 1
    assert sorted(path.stem for path in store.folder.iterdir()) == ["a", "list", "notes"]
    assert list(read_results(store.folder)) == ["a"]
