"""A corpus of one's own in a layout of its own: the class that docs/adding.md shows, on the whole road."""

import pytest
import soundfile

from audition.files import read_json
from tests.support import documents, road
from tests.support.corpora import SAMPLE_RATE, noise, write

SNIPPET = next(
    snippet
    for snippet in documents.snippets(documents.read("docs/adding.md"))
    if snippet.noun == "corpus"
)
LONG_ENOUGH = (
    "test/build_dataset.filters = [@LongerThan()]",
    "LongerThan.seconds = 0.5",
    "train.num_epochs = 1",
    "train.epoch_length = 2",
)


@pytest.fixture
def run(instantiate, sessions, tmp_path, monkeypatch):
    """A run on the sessions; one test session is short, and filtered out."""
    for speaker in ("anna", "ben"):
        write(sessions / "test" / "short" / f"{speaker}.wav", noise(0, SAMPLE_RATE // 4))
    monkeypatch.syspath_prepend(tmp_path)
    own = documents.write_snippet(SNIPPET, tmp_path, {"data/sessions": sessions})
    (run,) = instantiate(own, *LONG_ENOUGH)
    return run


def written(run):
    return {path.stem: path.stat().st_mtime_ns for path in run.results.iterdir()}


def test_it_is_one_short_file():
    assert len(SNIPPET.code.splitlines()) < 40 and "MixSourceFolder" not in SNIPPET.code


def test_it_is_cached_trained_evaluated_filtered_and_watched(run, sessions, tmp_path, capsys):
    road.call("cache", run.config)
    manifest = read_json(next(tmp_path.glob("cache/*/train/manifest.json")))
    assert manifest["content"]["dataset"] == "Sessions"
    assert manifest["content"]["source_names"] == ["anna", "ben"]
    assert manifest["content"]["num_items"] == 12
    road.call("cache", run.config)
    road.call("train", run.config)
    road.call("evaluate", run.config)
    before = written(run)
    assert len(before) == 4 and all(name.startswith("day") for name in before)

    road.call("evaluate", run.config)
    assert written(run) == before
    changed = sorted(sessions.glob("test/day1/*/ben.wav"))[0]
    audio, _ = soundfile.read(changed)
    write(changed, audio[::-1])
    road.call("evaluate", run.config)
    after = written(run)
    assert {name for name in after if after[name] != before.get(name)} == {
        f"day1-{changed.parent.name}"
    }
    assert after.keys() == before.keys()
    messages = capsys.readouterr()
    messages = messages.out + messages.err
    assert [f"{n} of 4 tracks to evaluate" in messages for n in (4, 0, 1)] == [True] * 3


def test_a_missing_file_is_named(run, sessions, capsys):
    missing = sorted(sessions.glob("train/day0/*/ben.wav"))[2]
    missing.unlink()
    assert road.call("cache", run.config, check=False) == 2
    name = missing.relative_to(sessions / "train")
    assert f"has no {name}; add the file or remove the track" in capsys.readouterr().err


def test_a_missing_folder_is_named(run, capsys):
    binding = "train/Sessions.folder = 'nowhere'"
    assert road.call("train", run.config, binding, check=False) == 2
    assert "Sessions: there is no folder nowhere; check the path." in capsys.readouterr().err
