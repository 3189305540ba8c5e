"""verify: silent on what is whole, one line for each file that isn't, through main.py."""

import re

import pytest

from audition.files import read_json, write_json
from audition.runs.folder import Run
from tests.support import road
from tests.support.training import QUICK

HPSS = "evaluate.separator = @nussl.separation.primitive.HPSS()"


def verify(capsys, folder, code):
    """The lines that name a defect."""
    capsys.readouterr()
    assert road.main.main(["verify", "-c", str(folder)]) == code
    printed = capsys.readouterr()
    return [line for line in (printed.out + printed.err).splitlines() if re.search(r"^/.*: ", line)]


@pytest.fixture(scope="module")
def sweep(speech, tmp_path_factory):
    """Out folder of two runs, each trained, evaluated and analyzed; only to read."""
    folder = tmp_path_factory.mktemp("sweep")
    seeds = "sweep.parameters = {'train.seed': [0, 1]}"
    bindings = ("evaluate.save_audio = True", seeds, *QUICK)
    for run in road.instantiate(speech, folder, *bindings):
        road.call("all", run.config)
    return folder / "out"


def test_a_whole_sweep_has_no_defect(sweep, capsys):
    assert not verify(capsys, sweep, 0)
    assert not verify(capsys, next(sweep.glob("run0*")) / "config.gin", 0)


@pytest.mark.parametrize("name", ["waveforms.bin", "index.bin", "states.bin", "manifest.json"])
def test_a_changed_file_of_a_cache_is_named(speech, tmp_path, capsys, name):
    (run,) = road.instantiate(speech, tmp_path)
    road.call("cache", run.config)
    root = tmp_path / "cache"
    assert not verify(capsys, root, 0)
    path = sorted(root.glob(f"*/train/{name}"))[0]
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 4
    path.write_bytes(whole)
    (line,) = verify(capsys, root, 1)
    assert line.startswith(f"{path.parent}: ") and str(path) in line


@pytest.mark.parametrize(
    "name",
    [
        *("run.json", "status.json", "evaluation.json", "cost.json", "progress.json"),
        *("checkpoints/latest.pth", "checkpoints/best.model.pth", "checkpoints/latest.model.pth"),
        *("results/*.json", "audio/*/s1.wav", "config.gin", "box_plots.png"),
    ],
)
@pytest.mark.parametrize("harm", ["flip", "cut"])
def test_a_changed_file_is_named(sweep, capsys, name, harm):
    run = Run(next(sweep.glob("run1*")))
    path = sorted(run.folder.glob(name))[0]
    whole = path.read_bytes()
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
    path.write_bytes(changed if harm == "flip" else whole[:middle])
    lines = verify(capsys, sweep, 1)
    path.write_bytes(whole)
    assert len(lines) == 1 and lines[0].startswith(f"{path}: ")


@pytest.mark.parametrize(
    "name",
    ["results/*.json", "audio/*/s1.wav", "config.gin", "checkpoints/latest.model.pth"],
)
def test_a_missing_file_is_named(sweep, capsys, name):
    run = Run(next(sweep.glob("run1*")))
    path = sorted(run.folder.glob(name))[0]
    away = path.rename(path.with_name(".away"))
    lines = verify(capsys, sweep, 1)
    away.rename(path)
    assert len(lines) == 1 and lines[0].startswith(f"{path}: ")


def test_files_without_checksums_need_only_be_readable(sweep, capsys, tmp_path):
    folder = tmp_path / "out" / "run0"
    (folder / "results").mkdir(parents=True)
    (folder / "config.gin").write_text("")
    (folder / "cost.json").write_text('{"train": {}}')
    (folder / "results" / "notes.json").write_text("[]")
    assert not verify(capsys, folder, 0)
    (folder / "cost.json").write_text('{"train": {}')
    assert len(verify(capsys, folder, 1)) == 1


def test_a_bootstrap_is_verified_with_its_rounds(bootstrapped, capsys):
    assert not verify(capsys, bootstrapped.folder, 0)
    path = sorted((bootstrapped.folder / "round1/segments/s0").glob("*.wav"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + b"\0\0\0\1")
    lines = verify(capsys, bootstrapped.folder, 1)
    path.write_bytes(whole)
    assert len(lines) == 1 and f"{path}: is not what" in lines[0]


def test_a_folder_that_is_not_there_is_told(capsys):
    assert road.main.main(["verify", "-c", "no/such"]) == 2
    assert "there is no no/such to verify; give a run" in capsys.readouterr().err


def test_an_edited_config_is_said_with_every_command(instantiate, capsys):
    (run,) = instantiate(HPSS)
    run.config.write_text(run.config.read_text() + "\nevaluate.seed = 1\n")
    road.call("evaluate", run.config)
    printed = capsys.readouterr()
    sentence = "config.gin was changed since instantiate wrote it; it is taken as it is"
    assert sentence in printed.out + printed.err


def test_the_record_of_a_run_may_be_rewritten(instantiate):
    (run,) = instantiate(HPSS)
    write_json(run.record, read_json(run.record))
    road.call("evaluate", run.config)
