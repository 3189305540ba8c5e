import os
import signal
import subprocess
import sys

import pytest

from audition.errors import ConfigError
from audition.files import claim, files_below, read_json, write_and_rename, write_json
from audition.identity import fingerprint
from audition.unfinished import sweep


def test_a_file_that_fails_half_way_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "scores.json"
    write_json(path, {"SI-SDR": 1.0})
    with pytest.raises(ZeroDivisionError), write_and_rename(path) as file:
        file.write("half")
        1 / 0  # noqa: B018
    assert read_json(path) == {"SI-SDR": 1.0}
    assert os.listdir(tmp_path) == ["scores.json"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "latest.pth"
    path.write_text("old")
    code = (
        "import os, signal, sys; from audition.files import write_and_rename\n"
        "with write_and_rename(sys.argv[1]) as file:\n"
        "    file.write('new'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)])
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_written_files_have_the_permissions_that_the_umask_grants(tmp_path):
    path = tmp_path / "card.txt"
    with write_and_rename(path) as file:
        file.write("x")
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    assert path.stat().st_mode == plain.stat().st_mode


def test_fingerprint_ignores_the_order_of_keys_only():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 2, "b": 1})


def test_files_are_found_in_linked_folders_and_hidden_ones_are_not(tmp_path):
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
    names = ["sub/a.wav", "sub/...And.wav", "sub/._a.wav", ".x/a.wav"]
    for path in (elsewhere / "b.WAV", *(folder / name for name in names)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (folder / "link").symlink_to(elsewhere)
    (folder / "again").symlink_to(folder / "sub")
    (elsewhere / "back").symlink_to(folder)
    found = files_below(folder, [".wav"])
    assert [str(path.relative_to(folder)) for path in found] == [
        *("again/...And.wav", "again/a.wav", "link/b.WAV", "sub/...And.wav", "sub/a.wav")
    ]


def test_a_folder_whose_marker_was_being_written_is_still_to_be_had(tmp_path):
    """A process that is killed there leaves a hidden file."""
    (tmp_path / ".mine.json.x3b1").write_text("{")
    claim(tmp_path, "mine.json", {"a": 1}, "mine.folder", "things")
    assert read_json(tmp_path / "mine.json") == {"a": 1}


KILLED = (
    "import os, signal, sys; from audition.files import write_and_rename\n"
    "with write_and_rename(sys.argv[1]) as file: os.kill(os.getpid(), signal.SIGKILL)"
)


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_a_living_one_writes_is_not(
    tmp_path,
):
    path = tmp_path / ("long" * 60)
    subprocess.run([sys.executable, "-c", KILLED, str(path)])
    assert len(os.listdir(tmp_path)) == 1
    elsewhere = tmp_path / ".a.json.00000000-1-1.abcdefgh"
    elsewhere.touch()
    forgotten = tmp_path / ".b.json.00000000-1-1.abcdefgh"
    forgotten.touch()
    os.utime(forgotten, (0, 0))
    theirs = tmp_path / ".hidden.of.a.user"
    theirs.touch()
    with write_and_rename(path) as outer:  # a living process's own
        outer.write("outer")
        sweep.cache_clear()
        with write_and_rename(tmp_path / "inner") as inner:
            inner.write("inner")
    assert path.read_text() == "outer"
    assert set(tmp_path.iterdir()) == {path, tmp_path / "inner", elsewhere, theirs}


def test_the_folder_is_on_disk_after_the_file_has_its_name(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    folder = os.stat(tmp_path).st_ino

    def watched(descriptor):
        calls.append("folder" if os.fstat(descriptor).st_ino == folder else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(os, "replace", lambda *names: calls.append("name") or replace(*names))
    write_json(tmp_path / "a.json", {})
    assert calls == ["file", "name", "folder"]


def test_a_folder_made_with_a_setting_that_is_no_longer_there_is_another_ones(tmp_path):
    write_json(tmp_path / "mine.json", {"a": 1, "gone": 2, "off": None})
    with pytest.raises(
        ConfigError, match=r"made with other settings \(gone differ\): give another"
    ):
        claim(tmp_path, "mine.json", {"a": 1}, "mine.folder", "things")
    write_json(tmp_path / "mine.json", {"a": 1, "off": None})
    claim(tmp_path, "mine.json", {"a": 1}, "mine.folder", "things")
