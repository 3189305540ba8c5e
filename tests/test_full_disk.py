"""A disk that is full or fails, and folders that may not be written: one sentence, nothing believed."""

import errno
import io
import itertools
import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from audition.audio.files import write_wav
from audition.errors import fault_of_the_system
from audition.files import write_and_rename, write_csv
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


def test_something_in_the_way_of_the_out_folder_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for folder, why in ((tmp_path / "file", "File exists"), (tmp_path / "file/out", "Not a dir")):
        assert road.call("instantiate", *road.RECIPE, out(folder), check=False) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith(f"main.py instantiate: {why}") and str(folder) in line


def test_a_folder_with_a_line_break_is_told(tmp_path, capsys):
    """Lists of runs have a run per line, and so does run.sh."""
    folder = tmp_path / "two\nlines"
    assert road.call("instantiate", *road.RECIPE, out(folder), check=False) == 2
    assert "has a line break or another character in it" in capsys.readouterr().err
    assert not folder.exists()


def test_a_config_in_a_folder_with_a_line_break_can_be_compiled_again(tmp_path):
    folder = tmp_path / "two\nlines"
    road.call("instantiate", *road.RECIPE, out(tmp_path / "out"))
    (tmp_path / "out/run0").rename(folder)
    road.call("instantiate", folder / "config.gin", out(tmp_path / "again"))
    road.call("instantiate", tmp_path / "again/run0/config.gin", out(tmp_path / "once more"))


def out(folder):
    return f"instantiate.output_folder = {str(folder)!r}"


@pytest.mark.parametrize("number", range(1, 8))
def test_instantiate_after_room_is_made_gives_what_it_would_have(
    tmp_path, capsys, monkeypatch, number
):
    """Whichever write the disk is full at, nothing is left, and no number is lost."""
    plain, calls = os.fsync, itertools.count(1)

    def full(descriptor):
        if next(calls) == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(descriptor)

    sweep = "sweep.parameters = {'torch.optim.Adam.lr': [1e-3, 2e-3]}"
    words = [*road.RECIPE, out(tmp_path / "out"), sweep]
    monkeypatch.setattr(os, "fsync", full)
    assert road.call("instantiate", *words, check=False) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
    road.call("instantiate", *words)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["run.sh", "run0:lr:0.001", "run1:lr:0.002"]


@pytest.mark.parametrize("content", ["[]", "1", '"text"', "[" * 5000, '{"a": '])
def test_a_file_of_a_run_that_is_no_record_is_one_sentence(instantiate, capsys, content):
    (run,) = instantiate(HPSS)
    run.record.write_text(content)
    assert road.call("evaluate", run.config, check=False) == 2
    assert "run.json is damaged (it" in capsys.readouterr().err


def test_texts_that_a_spreadsheet_would_calculate_are_quoted(tmp_path):
    table = pd.DataFrame({"track": ["=1+1", "+a", "-b", "@c", "d-e"], "score": [-1.5, 2, 3, 4, 5]})
    write_csv(tmp_path / "a.csv", table.rename(columns={"track": "=track"}))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines == ["'=track,score", "'=1+1,-1.5", "'+a,2.0", "'-b,3.0", "'@c,4.0", "d-e,5.0"]
