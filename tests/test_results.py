"""The store of results: what is done, what is adopted, what is removed, and what is left alone."""

import pytest

from audition.files import read_json, write_json
from audition.identity import Name, fingerprint, passport_and_former
from audition.runs.results import Results, read_results

SETTINGS = {"metric": Name("SDR", "src.metrics.SDR"), "seed": 0}
ITEMS = {"a": (0, [[10, 1]]), "b": (1, [[20, 1]])}


@pytest.fixture
def store(tmp_path):
    return Results(tmp_path / "results", SETTINGS, ITEMS)


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
        "passport": fingerprint(["a", *ITEMS["a"], SETTINGS]),
        "settings": fingerprint(SETTINGS),
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
    assert Results(store.folder, settings, items).todo() == todo


def test_former_results_get_the_passports_of_today(store):
    before = passport_and_former("a", *ITEMS["a"], SETTINGS)[1]
    metadata = {"track": "song", "passport": before, "settings": "of then"}
    write_json(store.folder / "a.json", {**result(1.0), "metadata": metadata})
    assert store.todo() == [1]
    fill(store)
    stamps = [one["metadata"]["settings"] for one in read_results(store.folder).values()]
    assert stamps == 2 * [fingerprint(SETTINGS)] and store.remove_others() == 0


def test_only_results_of_ours_are_removed(store):
    fill(store)
    write_json(store.folder / "notes.json", {"metadata": {"by": "hand"}})
    write_json(store.folder / "list.json", [1, 2])
    assert Results(store.folder, SETTINGS, {"a": ITEMS["a"]}).remove_others() == 1
    assert sorted(path.stem for path in store.folder.iterdir()) == ["a", "list", "notes"]
    assert list(read_results(store.folder)) == ["a"]
