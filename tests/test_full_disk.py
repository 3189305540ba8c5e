"""A disk that is full or fails, and folders that may not be written: one sentence, nothing believed."""

import errno
import io
import os

import numpy as np
import pytest
import soundfile

from audition.audio.files import write_wav
from audition.errors import fault_of_the_system
from audition.files import write_and_rename
from tests.support import road

HPSS = "evaluate.separator = @nussl.separation.primitive.HPSS()"


class Failing(io.FileIO):
    """A file whose n-th write or seek fails."""

    def __init__(self, path, name, number):
        super().__init__(path, "w")
        self.name_of_call, self.number = name, number

    def fail(self, name):
        self.number -= name == self.name_of_call
        if self.number == 0 and name == self.name_of_call:
            raise OSError(errno.EIO, "Input/output error")

    def write(self, data):
        self.fail("write")
        return super().write(data)

    def seek(self, *arguments):
        self.fail("seek")
        return super().seek(*arguments)


@pytest.mark.parametrize(("name", "number"), [("write", 1), ("write", 2), ("seek", 1), ("seek", 2)])
def test_audio_that_the_disk_did_not_take_is_no_audio(tmp_path, monkeypatch, name, number):
    """libsndfile writes through callbacks, whose errors end in a message and nowhere else."""
    plain = os.fdopen

    def fdopen(descriptor, mode):
        plain(descriptor, mode).close()
        return Failing(tmp_path / "part", name, number)

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(OSError, match="Input/output error"):
        write_wav(tmp_path / "a.wav", np.zeros((20_000, 1)), 8000, "FLOAT")
    assert not (tmp_path / "a.wav").exists()


def test_a_failed_write_names_the_file_that_was_meant(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: .*/a\.json'"):
        with write_and_rename(tmp_path / "a.json"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(instantiate, capsys, monkeypatch):
    (run,) = instantiate(HPSS)
    plain = os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert road.call("evaluate", run.config, check=False) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("main.py evaluate: No space left on device: ")
    assert line.endswith("make room or mend that, and run the same command again.")
    monkeypatch.setattr(os, "fsync", plain)
    road.call("evaluate", run.config)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/a"), True),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a"), False),
        (OSError("soundfile was not found"), False),
    ],
)
def test_only_what_the_system_is_at_fault_for_is_told(error, told):
    assert (fault_of_the_system(error) is not None) == told


def test_audio_is_written_as_before(tmp_path):
    audio = np.random.default_rng(0).uniform(-1, 1, (1000, 2))
    write_wav(tmp_path / "a.wav", audio, 8000, "FLOAT")
    assert np.array_equal(
        soundfile.read(tmp_path / "a.wav", dtype="float32")[0], audio.astype("f4")
    )
