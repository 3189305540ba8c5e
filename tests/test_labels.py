"""Run folders of any name, through everything that reads their names."""

import os
import subprocess
import sys

import pytest

from audition.runs.folder import Run
from logs import Job, title
from tests.support import road

ORACLE = "evaluate.separator = @nussl.separation.benchmark.IdealBinaryMask()"
SWEEP = "sweep.parameters = {'train.seed': [0, 1]}"
RENAMED = "run1 it's [b]] = 100 %: x"


@pytest.fixture
def runs(instantiate):
    """Two runs that wait: one named by `instantiate.label`, one renamed by hand."""
    one, other = instantiate(ORACLE, SWEEP, "instantiate.label = '{name}={value}'")
    assert one.name == "run0_seed=0"
    return one, Run(other.folder.rename(other.folder.with_name(RENAMED)))


def test_every_reader_of_run_folders_copes_with_any_label(runs, tmp_path, capsys):
    environment = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    script = tmp_path / "out/run.sh"
    done = subprocess.run([script, "--here"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    capsys.readouterr()
    road.call("sweep_status", tmp_path / "out")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [run.name for run in runs]
    assert all("finished: mean SI-SDRi" in line for line in lines)
    road.call("compare", tmp_path / "out", f"compare.baseline = {str(runs[1].folder)!r}")
    table = capsys.readouterr().out
    assert "out/run0 (oracle)" in table
    assert f"out/{RENAMED} (oracle)" in table
    road.call("listening_page", tmp_path / "out", "listening_page.num_tracks = 1")
    road.call("analyze", runs[1].config)


def test_a_waiting_job_is_found_by_any_label(runs, tmp_path, capsys, monkeypatch):
    rows = [f"{n}    queued     (file)    [{run.label}]words" for n, run in enumerate(runs)]
    (tmp_path / "listing").write_text("\n".join(["ID   State", *rows, ""]))
    tsp = tmp_path / "bin/tsp"
    tsp.parent.mkdir()
    tsp.write_text(f"#!/bin/sh\ncat '{tmp_path / 'listing'}'\n")
    tsp.chmod(0o755)
    monkeypatch.setenv("PATH", str(tsp.parent), prepend=os.pathsep)
    capsys.readouterr()
    road.call("sweep_status", tmp_path / "out")
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["queued"] * 2


def test_a_pane_is_titled_with_any_label():
    assert title(Job("7", "running", "[out/run0_lr=0.1]words")) == "7 out/run0_lr=0.1"
