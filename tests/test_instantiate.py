"""Sweeps and run folders."""

import shutil
import signal
import subprocess
import sys

import gin
import pytest

from audition import configs
from audition.files import read_json
from audition.identity import file_sha256
from audition.runs.folder import Run, find_run, numbered
from tests.support import road


def folders(tmp_path):
    out = tmp_path / "out"
    return sorted(path.name for path in out.iterdir() if path.is_dir()) if out.exists() else []


def sweep(text):
    return f"sweep.parameters = {text}"


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        (
            "{'add_clip_gradient_handler.clip_value': [1e-4, 1e-3, 1e-2]}",
            ["run0:clip_value:0.0001", "run1:clip_value:0.001", "run2:clip_value:0.01"],
        ),
        (
            "{'train.seed': [0, 1], 'torch.optim.Adam.lr': [1e-3]}",
            ["run0:seed:0_lr:0.001", "run1:seed:1_lr:0.001"],
        ),
        (
            "{'WHAM_TASK': ['mix_clean', 'mix_both']}",
            ["run0:WHAM_TASK:mix_clean", "run1:WHAM_TASK:mix_both"],
        ),
        ("{'train/WHAM.split': ['tr', 'cv']}", ["run0:split:tr", "run1:split:cv"]),
        (
            "{'train.optimizer': [@torch.optim.Adam, @torch.optim.SGD]}",
            ["run0:optimizer:torch.optim.Adam", "run1:optimizer:torch.optim.SGD"],
        ),
        (
            "{'evaluate.separator': [@MaskEstimation(), @nussl.separation.primitive.HPSS()]}",
            ["run0:separator:MaskEstimation", "run1:separator:nussl.separation.primitive.HPSS"],
        ),
    ],
)
def test_one_folder_per_point_named_after_it(instantiate, tmp_path, parameters, names):
    instantiate(sweep(parameters))
    assert folders(tmp_path) == names


def test_each_config_is_complete_and_says_how_it_differs(instantiate, tmp_path):
    instantiate(sweep("{'train.seed': [3, 4], 'train.optimizer': [@torch.optim.SGD]}"))
    run = Run(tmp_path / "out/run1:seed:4_optimizer:torch.optim.SGD")
    text = run.config.read_text()
    assert "# Differs from its siblings: train.seed = 4" in text
    assert "train.seed = 4\n" in text
    assert "train.optimizer = @torch.optim.SGD\n" in text
    assert "sweep.parameters" not in text
    record = read_json(run.record)
    assert record["sweep_point"] == {"train.seed": 4, "train.optimizer": "@torch.optim.SGD"}
    assert "wham/wham8k.gin" in record["sources"]
    configs.load([run.config])
    assert gin.query_parameter("train.seed") == 4


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (
            "{'add_clip_gradient_handler.clip_valeu': [1]}",
            "doesn't have a parameter named 'clip_valeu'",
        ),
        ("{'add_clip_gradient_handlr.clip_value': [1]}", "No configurable matching"),
        ("{'WHAM_TSAK': ['mix_both']}", "the macro 'WHAM_TSAK', which no .gin file defines"),
        ("{'train.seed': 1}", "sweep.parameters['train.seed'] must be a list"),
        ("{'train.seed': []}", "must be a list with at least one value"),
        ("[1, 2]", "sweep.parameters must be a dict"),
        ("{'UNREAD': [1, 2]}", "names the macro 'UNREAD', which nothing reads, so"),
        ("{'READ_BY_UNREAD': [1, 2]}", "write %READ_BY_UNREAD where it should count, or"),
        ("{'train.seed': [1], 'train.sed': [1]}", "doesn't have a parameter named 'sed'"),
    ],
)
def test_a_mistake_in_a_sweep_makes_no_folder(speech, tmp_path, parameters, sentence, capsys):
    out = f"instantiate.output_folder = '{tmp_path / 'out'}'"
    unread = ("READ_BY_UNREAD = 1", "UNREAD = %READ_BY_UNREAD")
    assert road.call("instantiate", *road.RECIPE, *unread, out, sweep(parameters), check=False) == 2
    assert sentence in capsys.readouterr().err
    assert folders(tmp_path) == []


def test_the_out_folder_is_derived_from_the_experiment(tmp_path):
    shutil.copytree(road.ROOT / "tests/exp", tmp_path / "exp")
    experiment = tmp_path / "exp/tiny.gin"
    road.call("instantiate", experiment, *road.RECIPE[:2])  # whatever the order of the files
    compiled = tmp_path / "exp/out/tiny/run0/config.gin"
    assert compiled.exists()
    road.call("instantiate", compiled)
    assert (tmp_path / "exp/out/tiny/run1/config.gin").exists()


def test_a_run_is_named_after_the_last_file_that_is_neither_data_nor_environment(tmp_path):
    recipe = tmp_path / "recipe"
    shutil.copytree(road.ROOT / "tests/exp", recipe / "exp")
    for name in ("recipe/data.gin", "idea.gin", "env.gin", "env_lab.gin", "envelope.gin"):
        (tmp_path / name).touch()
    data, environment = recipe / "data.gin", (tmp_path / "env.gin", tmp_path / "env_lab.gin")
    experiment, idea = recipe / "exp/tiny.gin", tmp_path / "idea.gin"
    road.call("instantiate", *road.RECIPE[:2], idea, experiment, data, *environment)
    assert (recipe / "exp/out/tiny" / "run0").is_dir()
    road.call("instantiate", *road.RECIPE[:2], experiment, idea, *environment, data)
    assert (tmp_path / "out/idea" / "run0").is_dir()
    road.call("instantiate", *road.RECIPE, tmp_path / "envelope.gin")
    assert (tmp_path / "out/envelope" / "run0").is_dir()


def test_a_swept_macro_may_be_read_by_another_macro_or_by_what_is_swept(instantiate, tmp_path):
    macros = tmp_path / "macros.gin"
    macros.write_text("SEED = 1\nINNER = %SEED\n")
    instantiate(macros, "train.seed = %INNER", sweep("{'SEED': [1, 2]}"))
    instantiate(macros, sweep("{'SEED': [1], 'train.seed': [%SEED, 7]}"))
    names = ["run0:SEED:1", "run1:SEED:2", "run2:SEED:1_seed:SEED", "run3:SEED:1_seed:7"]
    assert folders(tmp_path) == names


def test_a_label_may_have_another_form(instantiate, tmp_path):
    swept = sweep("{'train.seed': [3, 4], 'torch.optim.Adam.lr': [0.1]}")
    instantiate(swept, "instantiate.label = '{name}={value}'")
    instantiate(swept, "instantiate.label = '{value}'")
    instantiate(sweep("{'train.seed': [3]}"))
    assert folders(tmp_path) == [
        *("run0_seed=3_lr=0.1", "run1_seed=4_lr=0.1", "run2_3_0.1", "run3_4_0.1", "run4:seed:3")
    ]
    assert "instantiate.label" not in (tmp_path / "out/run2_3_0.1/config.gin").read_text()


@pytest.mark.parametrize("form", ["", "{name}", "{0}", "{lr}", "{value}/{name}", "{value} !", "{"])
def test_a_label_that_can_name_no_folder_is_refused(speech, tmp_path, form, capsys):
    out = f"instantiate.output_folder = '{tmp_path / 'out'}'"
    label = f"instantiate.label = {form!r}"
    assert road.call("instantiate", *road.RECIPE, out, label, check=False) == 2
    assert f"{label} must hold {{value}}, may hold {{name}}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_record_has_fingerprints_of_included_files(instantiate):
    (run,) = instantiate()
    sources = read_json(run.record)["sources"]
    assert list(sources) == [
        "toy/env.gin",
        "wham/wham8k.gin",
        "wham/wham.gin",
        "tests/exp/tiny.gin",
    ]
    assert sources["wham/wham.gin"] == file_sha256(road.ROOT / "wham/wham.gin")


def test_a_compiled_config_that_is_instantiated_again_does_not_sweep_again(instantiate, tmp_path):
    instantiate(sweep("{'train.seed': [3, 4]}"))
    out = f"instantiate.output_folder = '{tmp_path / 'again'}'"
    road.call("instantiate", tmp_path / "out/run1:seed:4/config.gin", out)
    (run,) = (Run(path) for path in (tmp_path / "again").glob("run[0-9]*"))
    assert "train.seed = 4\n" in run.config.read_text()


def test_numbers_go_on_and_nothing_is_overwritten(instantiate, tmp_path):
    instantiate(sweep("{'train.seed': [3, 4]}"))
    before = (tmp_path / "out/run1:seed:4/config.gin").stat().st_mtime_ns
    instantiate(sweep("{'train.seed': [4]}"))
    assert folders(tmp_path) == ["run0:seed:3", "run1:seed:4", "run2:seed:4"]
    assert (tmp_path / "out/run1:seed:4/config.gin").stat().st_mtime_ns == before


def test_two_at_once_never_collide(tmp_path):
    words = [
        sys.executable,
        "main.py",
        "instantiate",
        "-c",
        *road.RECIPE,
        "-o",
        str(tmp_path / "out"),
    ]
    words += ["-b", sweep("{'train.seed': [0, 1, 2, 3, 4]}")]
    both = [subprocess.Popen(words, cwd=road.ROOT) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    names = folders(tmp_path)
    assert sorted(int(name[3:].split(":")[0]) for name in names) == list(range(10))
    assert all((tmp_path / "out" / name / "config.gin").exists() for name in names)


KILLED = """
import os, signal, sys
import main
from audition.runs import sweeps

before = getattr(sweeps, sys.argv[1])

def until_killed(*arguments):
    if counter.pop():
        os.kill(os.getpid(), signal.SIGKILL)
    return before(*arguments)

counter = [True, False]
setattr(sweeps, sys.argv[1], until_killed)
from audition.commands import instantiate
setattr(instantiate, sys.argv[1], until_killed)
main.main(sys.argv[2:])
"""


@pytest.mark.parametrize("moment", ["staged", "place", "sync"])
def test_a_sweep_is_made_wholly_or_not_at_all(speech, tmp_path, moment):
    """Killed as it makes or moves the second of its folders, or when all are there."""
    words = ["-c", *road.RECIPE, "-o", str(tmp_path / "out"), "-b", sweep("{'train.seed': [3, 4]}")]
    code = (
        KILLED.replace("counter = [True, False]", "counter = [True]")
        if moment == "sync"
        else KILLED
    )
    done = subprocess.run(
        [sys.executable, "-c", code, moment, "instantiate", *words], cwd=road.ROOT
    )
    assert done.returncode == -signal.SIGKILL
    assert numbered(tmp_path / "out") == []
    for config in (tmp_path / "out").glob("*/config.gin"):
        assert find_run([config]) is None
    road.call(
        "instantiate", *words[1:4], f"instantiate.output_folder = '{tmp_path / 'out'}'", words[-1]
    )
    assert folders(tmp_path) == ["run0:seed:3", "run1:seed:4"]
    assert sorted(path.name for path in (tmp_path / "out/run0:seed:3").iterdir()) == [
        "config.gin",
        "run.json",
    ]


def test_a_users_own_module_survives_into_the_compiled_config(instantiate, tmp_path):
    own = tmp_path / "own.gin"
    own.write_text("import tests.support.kill_switch\ntrain.handlers = [@add_kill_switch]\n")
    (run,) = instantiate(own)
    assert "import tests.support.kill_switch" in run.config.read_text()


def test_a_run_folder_moves(instantiate, tmp_path, speech):
    (run,) = instantiate("train.num_epochs = 1")
    road.call("train", run.config)
    moved = tmp_path / "elsewhere" / "renamed"
    shutil.copytree(run.folder, moved)
    shutil.rmtree(run.folder)
    road.call("resume", moved / "config.gin", "train.num_epochs = 2")
    assert (moved / "report_card.txt").exists()
    assert not run.folder.exists()


def test_a_binding_of_what_is_swept_is_refused(speech, tmp_path, capsys):
    words = (f"instantiate.output_folder = '{tmp_path / 'out'}'", sweep("{'train.seed': [3, 4]}"))
    assert road.call("instantiate", *road.RECIPE, *words, "train.seed = 9", check=False) == 2
    assert "-b 'train.seed = 9' binds what sweep.parameters sweeps" in capsys.readouterr().err
    assert folders(tmp_path) == []


# runs to be shared ----------------------------------------------------------------


@pytest.fixture
def machine_file(speech, tmp_path):
    """This machine's .gin file, apart from the experiment's."""
    path = tmp_path / "env.gin"
    path.write_text(f"WHAM_ROOT = '{speech}'\nCACHE_ROOT = '{tmp_path / 'cache'}'\n")
    return path


def share(machine_file, *words):
    """Exit code of instantiate with the machine file included, as a recipe that is shared has it."""
    env = f"instantiate.machine_file = '{machine_file}'"
    return road.call("instantiate", machine_file, *road.RECIPE[1:], env, *words, check=False)


def test_what_the_machine_file_binds_stays_outside(machine_file, tmp_path):
    out = f"instantiate.output_folder = '{tmp_path / 'out'}'"
    share(machine_file, out, sweep("{'train.seed': [3, 4]}"), "train.num_epochs = 1")
    text = (tmp_path / "out/run1:seed:4/config.gin").read_text()
    assert f"include '{machine_file}'" in text and "output_folder" not in text
    assert "CACHE_ROOT =" not in text and "WHAM.root = %WHAM_ROOT" in text
    machine_file.write_text(machine_file.read_text().replace("/cache'", "/moved'"))
    road.call("cache", tmp_path / "out/run1:seed:4/config.gin")
    assert list(tmp_path.glob("moved/*/train")) and not (tmp_path / "cache").exists()


def test_what_overrides_the_machine_file_is_compiled(machine_file, tmp_path):
    share(machine_file, f"instantiate.run_folder = '{tmp_path / 'run'}'", "CACHE_ROOT = 'mine'")
    text = (tmp_path / "run/config.gin").read_text()
    assert "CACHE_ROOT = 'mine'\n" in text and "WHAM_ROOT =" not in text
    configs.load([tmp_path / "run/config.gin"])
    assert gin.query_parameter("CACHE_ROOT/macro.value") == "mine"


def test_a_run_to_be_shared_tells_no_time_and_no_place(machine_file, tmp_path):
    folder = f"instantiate.run_folder = '{tmp_path / 'Q1'}'"
    share(machine_file, folder)
    run = Run(tmp_path / "Q1")
    assert set(read_json(run.record)) == {"sweep_point", "sources"}
    assert sorted(path.name for path in run.folder.iterdir()) == ["config.gin", "run.json"]
    share(machine_file, folder, "train.num_epochs = 1")
    road.call("train", run.config)
    trained = run.config.read_text()
    assert share(machine_file, folder, "train.num_epochs = 1") == 0
    assert share(machine_file, folder, "train.num_epochs = 2") == 2
    assert run.config.read_text() == trained


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((sweep("{'train.seed': [3, 4]}"),), "is for one run, and sweep.parameters makes 2; bind"),
        (("instantiate.machine_file = 'no.gin'",), "there is no file 'no.gin' to include; check"),
    ],
)
def test_a_mistake_in_sharing_makes_no_folder(machine_file, tmp_path, capsys, words, sentence):
    folder = tmp_path / "shared"
    assert share(machine_file, f"instantiate.run_folder = '{folder}'", *words) == 2
    assert sentence in capsys.readouterr().err and not folder.exists()


def test_a_missing_file_with_an_example_beside_it_is_to_be_copied(machine_file, tmp_path, capsys):
    machine_file.rename(tmp_path / "env.example.gin")
    assert share(machine_file) == 2
    sentence = f"copy {tmp_path / 'env.example.gin'} to {machine_file} and fill it in."
    assert capsys.readouterr().err.strip().endswith(sentence)
