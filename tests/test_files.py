import os
import signal
import subprocess
import sys

import pytest

from audition.files import claim, files_below, read_json, write_and_rename, write_json
from audition.identity import fingerprint


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
