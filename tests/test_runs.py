import shutil
import threading

import pytest

from audition.errors import ConfigError
from audition.runs.folder import (
    Run,
    compiled_configs,
    describe,
    find_run,
    find_runs,
    next_number,
    require,
)
from audition.runs.sweeps import new_sweep, place, staged
from tests.support import road


def make_run(out_folder, label):
    with new_sweep(out_folder) as staging:
        return place(staged(staging, 0), label)


def test_number_is_the_highest_folder_plus_one_and_other_files_do_not_count(tmp_path):
    for name in ("run0", "run4:clip_value:0.1", "runny", "run7.txt"):
        (tmp_path / name).mkdir()
    (tmp_path / "run9").write_text("a file")
    (tmp_path / "run.sh").write_text("")
    assert next_number(tmp_path) == 5


def test_a_run_folder_is_named_after_its_number_and_label(tmp_path):
    assert make_run(tmp_path / "out", "clip_value:0.0001").name == "run0:clip_value:0.0001"
    assert make_run(tmp_path / "out", "").name == "run1"


def test_many_at_once_never_share_a_number(tmp_path):
    def make(label):
        for _ in range(10):
            make_run(tmp_path, label)

    threads = [threading.Thread(target=make, args=(f"label:{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [path.name.split(":")[0] for path in tmp_path.iterdir()]
    assert len(numbers) == 80
    assert len(set(numbers)) == 80


def test_a_run_is_the_folder_that_holds_the_compiled_config(tmp_path):
    (tmp_path / "config.gin").write_text("")
    assert find_run([tmp_path / "config.gin"]) is None  # written by hand: no run.json, no header
    (tmp_path / "run.json").write_text("{}")
    assert find_run(["env.gin", tmp_path / "config.gin"]) == Run(tmp_path)


def test_a_compiled_config_that_was_copied_alone_is_a_run(instantiate, tmp_path):
    (run,) = instantiate("train.num_epochs = 1")
    (tmp_path / "alone").mkdir()
    alone = Run(tmp_path / "alone")
    shutil.copy(run.config, alone.config)
    road.call("all", alone.config)
    assert alone.report_card_csv.is_file()
    road.call("resume", tmp_path / "alone")


def test_runs_are_found_once_in_their_order(tmp_path):
    runs = [make_run(tmp_path, label) for label in ("a", "b")]
    for run in runs:
        run.config.touch()
        run.record.touch()
    again = tmp_path / "elsewhere" / ".." / runs[1].name / "config.gin"
    (tmp_path / "elsewhere").mkdir()
    paths = [runs[1].config, "env.gin", runs[0].config, again]
    assert find_runs(paths) == [runs[1], runs[0]]


def test_outside_a_run_folder_one_is_told_to_instantiate():
    with pytest.raises(ConfigError, match="all works in a run folder.*run instantiate first"):
        require(None, "all", ["a.gin"])


def test_a_folder_stands_for_its_runs_and_most_commands_take_one(tmp_path):
    runs = [make_run(tmp_path, label) for label in ("a", "b")]
    for run in runs:
        run.config.write_text("")
        run.record.write_text("{}")
    paths = list(compiled_configs(["env.gin", tmp_path]))
    assert [str(path) for path in paths] == ["env.gin", *(str(run.config) for run in runs)]
    assert list(compiled_configs([runs[1].folder])) == [runs[1].config]
    with pytest.raises(ConfigError, match="train works on one run at a time"):
        require(runs[1], "train", paths)


def test_the_record_holds_what_a_run_came_from(tmp_path):
    source = tmp_path / "a.gin"
    source.write_text("x = 1\n")
    record = describe({"x": 1}, [source], ["main.py", "instantiate"])
    assert len(record["sources"][str(source)]) == 64
    assert record["packages"]["nussl"] == "1.1.9"
    assert set(record["git"]) == {"commit", "dirty"}
