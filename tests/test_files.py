import os
import signal
import subprocess
import sys

import pytest

from src.files import fingerprint, read_json, write_and_rename, write_json


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
        "import os, signal, sys; from src.files import write_and_rename\n"
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
