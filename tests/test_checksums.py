"""A file that was changed is told, made again, or replaced by the one before it; never believed."""

import contextlib
import functools
import json
import random
import re

import numpy as np
import pytest
import soundfile
import torch

from audition.bootstrap.segments import segment_table
from audition.checksums import content_checksum
from audition.commands.construct_symlink_folder import construct_symlink_folder
from audition.errors import ConfigError
from audition.files import Damaged, claim, read_json, read_record, write_json
from audition.mixing.loud_regions import loud_starts
from audition.reports.report_card import score_table
from audition.runs.results import Results, changed_files, describe_files, read_results
from audition.training import checkpoints
from tests.support import road
from tests.support.training import assert_same, state

VALUES = [
    {"score": 1.5, "names": ["a", "b"]},
    {"model_sha256": 64 * "a"},
    {"vocals": {"SDR": [float("inf")]}, "metadata": {"track": "é"}},
    {"metadata": {"track": "a"}, "scores": {}},
]


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


# JSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES)
def test_every_flipped_bit_and_every_cut_of_a_json_file_is_noticed(tmp_path, value):
    path = tmp_path / "a.json"
    write_json(path, value)
    assert read_json(path) == value
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        flip(path, bit)
        with pytest.raises(Damaged, match="a.json is damaged .*: delete it, and run the command"):
            read_json(path)
        path.write_bytes(whole)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            read_json(path)


@pytest.mark.parametrize("text", ['{"a": 1}', "[1, 2]", "{}", json.dumps(VALUES, indent=2), "3"])
def test_json_without_a_checksum_is_read_as_it_is(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert read_json(path, object) == json.loads(text)
    write_json(path, json.loads(text))
    assert read_json(path, object) == json.loads(text)


def test_a_record_that_shapes_no_result_is_left_out_aloud(tmp_path, caplog):
    path = tmp_path / "cost.json"
    assert read_record(path) == {} and not caplog.text
    path.write_text("{")
    assert read_record(path) == {}
    assert "cost.json is damaged (it isn't JSON), so it is left out" in caplog.text


def test_a_damaged_marker_hands_nothing_over(tmp_path):
    claim(tmp_path, "mine.json", {"a": 1}, "mine.folder", "things")
    flip(tmp_path / "mine.json", 50)
    with pytest.raises(ConfigError, match="mine.json is damaged .* give another folder, or remove"):
        claim(tmp_path, "mine.json", {"a": 1}, "mine.folder", "things")


# results and what belongs to them --------------------------------------------------------------


def test_a_damaged_result_counts_as_missing_and_is_refused_by_reports(tmp_path, caplog):
    store = Results(tmp_path / "results", {}, {"a": (0,), "b": (1,)}, {})
    for name in ("a", "b"):
        store.write(name, {"voice": {"SDR": [1.25]}, "metadata": {"track": name}})
    path = store.folder / "a.json"
    path.write_text(path.read_text().replace("1.25", "1.75"))
    assert store.todo() == [0]
    assert "a.json is damaged (it doesn't fit its checksum), so it counts as missing" in caplog.text
    with pytest.raises(Damaged, match=r"a\.json"):
        read_results(store.folder)


def test_files_are_compared_by_content_once_their_size_or_time_differs(tmp_path):
    path = tmp_path / "mix" / "a.wav"
    path.parent.mkdir()
    path.write_text("audio")
    known = describe_files(tmp_path, [path])
    assert list(known) == ["mix/a.wav"] and not changed_files(tmp_path, known, thorough=True)
    path.touch()
    assert not changed_files(tmp_path, known)
    path.write_text("other")
    assert changed_files(tmp_path, known) == [path]
    path.unlink()
    assert changed_files(tmp_path, known) == [path]


@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
@pytest.mark.parametrize("what", ["results", "audio"])
def test_evaluate_makes_a_harmed_result_again(instantiate, what, harm):
    separator = "evaluate.separator = @nussl.separation.primitive.HPSS()"
    (run,) = instantiate(separator, "evaluate.save_audio = True")
    road.call("evaluate", run.config)
    before = score_table(run)
    folder = run.results if what == "results" else run.audio
    path = sorted(path for path in folder.rglob("*.*") if path.is_file())[1]
    whole, audio = path.read_bytes(), what == "audio" and soundfile.read(path)[0]
    others = {one: one.stat().st_mtime_ns for one in run.results.iterdir()}
    if harm == "flip":
        flip(path, 8 * len(whole) // 2)
    elif harm == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.unlink()
    road.call("evaluate", run.config)
    assert score_table(run).equals(before)
    assert what == "results" or (soundfile.read(path)[0] == audio).all()
    again = [one for one, time in others.items() if one.stat().st_mtime_ns != time]
    assert len(again) == 1  # the others stay as they were


# checkpoints -----------------------------------------------------------------------------------


def test_a_checksum_tells_one_bit_a_swap_and_a_shape():
    weights = torch.arange(100_000, dtype=torch.float32)
    content = {"a": weights, "b": [1, {"lr": 1e-3}], 3: None}
    before = content_checksum(content)
    assert content_checksum({"a": weights.clone(), "b": [1, {"lr": 1e-3}], 3: None}) == before
    swapped = torch.cat([weights[1024:2048], weights[:1024], weights[2048:]])
    flipped = weights.clone()
    flipped.view(torch.int32)[77_777] ^= 1
    for other in (swapped, flipped, weights.reshape(1000, 100), weights.to(torch.float64)):
        assert content_checksum({**content, "a": other}) != before
    assert content_checksum({**content, "b": [1, {"lr": 2e-3}]}) != before


@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(instantiate, capsys, harm):
    instantiate("train.num_epochs = 2")
    run, whole = instantiate("train.num_epochs = 2")
    for one in (run, whole):
        road.call("train", one.config)
    size = run.latest.stat().st_size
    if harm == "flip":  # in the middle of the weights, where torch notices nothing
        flip(run.latest, 8 * (size // 2))
    elif harm == "cut":
        run.latest.write_bytes(run.latest.read_bytes()[: size // 2])
    else:
        run.latest.unlink()
    road.call("resume", run.config)
    printed = capsys.readouterr()
    text = "is gone" if harm == "delete" else "is damaged"
    assert re.search(rf"latest\.pth {text}.*previous\.pth is taken", printed.out + printed.err)
    assert_same(state(run), state(whole))


def test_random_bits_of_a_checkpoint_never_pass(instantiate):
    (run,) = instantiate("train.num_epochs = 1")
    road.call("train", run.config)
    whole, chance = run.latest.read_bytes(), random.Random(0)
    expected = checkpoints.read(run.latest)
    for _ in range(40):
        flip(run.latest, chance.randrange(8 * len(whole)))
        with contextlib.suppress(Damaged):
            assert_same(checkpoints.read(run.latest), expected)
        run.latest.write_bytes(whole)


def test_segments_whose_audio_was_harmed_are_not_chosen(tmp_path):
    store = Results(tmp_path / "segments" / "results", {}, {"a": (0,)}, {})
    path = tmp_path / "segments" / "mix" / "a.wav"
    path.parent.mkdir(parents=True)
    path.write_text("audio")
    about = {"track": "a", "files": describe_files(tmp_path / "segments", [path])}
    store.write("a", {"metadata": about, "confidences": {"confidence": 1.0}, "scores": {}})
    choose = functools.partial(
        construct_symlink_folder, None, tmp_path / "segments", tmp_path / "chosen", []
    )
    choose()
    path.write_text("other")
    with pytest.raises(ConfigError, match="a.wav was changed or deleted since .* makes it anew"):
        choose()


def test_a_table_of_loud_windows_that_version_02_wrote_is_still_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(8000) / 2, 8000)
    where = str(tmp_path / "a.wav"), 0.5, 0.5, -80.0, str(tmp_path / "tables")
    before = loud_starts(*where)
    (table,) = (tmp_path / "tables").iterdir()
    table.write_text(json.dumps(before))
    loud_starts.cache_clear()
    assert loud_starts(*where) == before == [0.0, 0.5]


def test_a_segment_whose_result_is_gone_is_missed(tmp_path):
    store = Results(tmp_path / "results", {}, {"a": (0,), "b": (1,)}, {})
    for name in ("a", "b"):
        store.write(name, {"metadata": {"track": name}, "confidences": {}, "scores": {}})
    write_json(tmp_path / "complete.json", {"segments": ["a", "b"]})
    assert list(segment_table(tmp_path).index) == ["a", "b"]
    (tmp_path / "results" / "a.json").unlink()
    with pytest.raises(ConfigError, match="lacks the results of 1 segments, such as 'a', which it"):
        segment_table(tmp_path)
