"""The command line: both orders, exit codes, and the sentence for each mistake."""

import importlib
import inspect

import pytest

import main
from audition.bootstrap.confidence import LOUD_PERCENTILE
from audition.commands import COMMANDS, NOTHING, module_name
from tests.support import road


@pytest.mark.parametrize(
    "words",
    [
        "-c a.gin b.gin train",
        "train -c a.gin b.gin",
        "-o out -c a.gin b.gin train",
        "-c a.gin b.gin -o out train",
        "train -c a.gin b.gin -o out -b x.y=1",
        "-b x.y=1 -c a.gin b.gin train",
    ],
)
def test_every_order_of_the_command_line_parses(words):
    arguments = main.parse_arguments(words.split())
    assert arguments.func == "train"
    assert arguments.config == ["a.gin", "b.gin"]


def test_a_folder_or_binding_may_be_called_like_a_command():
    arguments = main.parse_arguments("-o train -b all -c a.gin evaluate".split())
    assert (arguments.output_folder, arguments.binding) == ("train", ["all"])
    assert arguments.func == "evaluate"


def test_help_prints_the_usage_and_every_command(capsys):
    with pytest.raises(SystemExit) as done:
        main.main(["--help"])
    text = capsys.readouterr().out
    assert done.value.code == 0
    assert text.startswith(
        "usage: main.py [-h] [-c CONFIG [CONFIG ...]] [-o OUTPUT_FOLDER] [-b BINDING] "
        "[--untrusted] func\n"
    )
    assert all(f"\n  {name} " in text for name in COMMANDS)


def test_help_imports_neither_torch_nor_nussl_nor_gin():
    code = (
        "import sys, main\n"
        "try: main.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'nussl', 'gin', 'numpy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = road.python("-c", code)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_works_on_is_its_first_argument(name):
    command = getattr(importlib.import_module(module_name(name)), name)
    works_on = [given.removesuffix("_if_given") for given in COMMANDS[name].works_on]
    arguments = list(inspect.signature(command).parameters)
    if COMMANDS[name].works_on != NOTHING:
        assert arguments[: len(works_on)] == works_on


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-c a.gin trian", "there is no command 'trian'; did you mean 'train'?"),
        ("frobnicate -c a.gin", "there is no command 'frobnicate'; main.py --help lists them."),
        ("", "give a command and its .gin files"),
    ],
)
def test_a_mistyped_command_exits_2_and_says_so(words, sentence, capsys):
    with pytest.raises(SystemExit) as done:
        main.main(words.split())
    assert done.value.code == 2
    assert sentence in capsys.readouterr().err


def told(capsys, command, *words):
    """The one line on stderr of a call that must exit with 2."""
    assert road.call(command, *words, check=False) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("main.py ")]
    return line


def test_a_missing_gin_file_is_named(capsys):
    assert "There is no .gin file 'nowhere.gin'" in told(capsys, "instantiate", "nowhere.gin")


def test_all_outside_a_run_folder_says_run_instantiate_first(capsys):
    for command in ("train", "evaluate", "analyze", "all", "resume", "debug"):
        assert "run instantiate first" in told(capsys, command, *road.RECIPE)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "train.bath_size = 3",
            "'train' doesn't have a parameter named 'bath_size'; did you mean 'batch_size'?",
        ),
        ("trian.batch_size = 3", "line 1: No configurable matching 'trian'; did you mean 'train'?"),
        ("train.seed = %NOWHERE", "The macro %NOWHERE is used but never defined"),
        ("train.seed = three", "(strings need quotes): 'train.seed = three'."),
        ("train.seed = [1, 2", "a bracket or a string is never closed"),
        (
            "WHAM_ROOT = %gin.REQUIRED",
            "WHAM_ROOT has no value yet; set it in your env.gin or with -b",
        ),
        ("import nowhere.module", "line 1: No module named 'nowhere'"),
        ("include 'nowhere.gin'", "there is no file 'nowhere.gin' to include"),
        ("train.optimizer = @Adan", "matching reference '@Adan'; did you mean 'Adam'?"),
    ],
)
def test_a_mistake_in_a_gin_file_names_the_file_and_the_line(text, sentence, tmp_path, capsys):
    path = tmp_path / "mistake.gin"
    path.write_text(text + "\n")
    line = told(capsys, "instantiate", *road.RECIPE, path)
    assert sentence in line
    if "macro" not in sentence and "WHAM_ROOT" not in sentence:
        assert "mistake.gin" in line


def test_a_mistaken_binding_on_the_command_line_is_quoted(capsys):
    line = told(capsys, "instantiate", *road.RECIPE, "train.sed = 1")
    assert "-b 'train.sed = 1' line 1: Configurable 'train' doesn't have a parameter" in line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "train/WHAM.sample_rat = 8000",
            "train/WHAM.sample_rat: WHAM has no parameter 'sample_rat'; did you mean 'sample_rate'?",
        ),
        (
            "nussl.datasets.WHAM.num_chanels = 1",
            "WHAM.num_chanels: WHAM has no parameter 'num_chanels'; did you mean 'num_channels'?",
        ),
        ("WHAM.colour = 'red'", "WHAM.colour: WHAM has no parameter 'colour'."),
        (
            "WHAM.source_folders = ['s1']",
            "WHAM.source_folders: WHAM sets its source_folders itself; remove the binding.",
        ),
    ],
)
def test_a_mistaken_keyword_of_a_dataset_is_told(speech, tmp_path, capsys, text, sentence):
    """gin can't: the datasets take **settings."""
    paths = [f"WHAM_ROOT = '{speech}'", f"CACHE_ROOT = '{tmp_path}'"]
    assert sentence in told(capsys, "cache", *road.RECIPE, *paths, text)


def test_a_required_binding_that_is_missing_is_named(instantiate, tmp_path, capsys):
    (run,) = instantiate()
    text = run.config.read_text().replace("train.batch_size = 4", "")
    run.config.write_text(text)
    line = told(capsys, "train", run.config)
    assert "train.batch_size is required but not bound; add `train.batch_size = …`" in line
    assert not run.checkpoints.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_lists_its_arguments_with_meaning_and_default(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main([command, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0 and text.startswith(f"main.py {command}: ")
    function = getattr(importlib.import_module(module_name(command)), command)
    bound = inspect.signature(inspect.unwrap(function)).parameters
    if command != "bootstrap":  # whose function for gin has another name
        for name in list(bound)[len(COMMANDS[command].works_on) :]:
            meaning = text.partition(f"\n  {command}.{name} = ")[2].splitlines()
            no_binding = name in (
                "resume",
                "may_change",
                "rehearse",
                "instead",
                "network",
            )  # of one command to another
            assert no_binding or (meaning[0] and meaning[1].startswith("      "))


def test_help_gives_the_defaults_in_force(capsys):
    with pytest.raises(SystemExit):
        main.main(["-h", "segment_and_separate"])
    text = capsys.readouterr().out
    assert "segment_and_separate.folder = required\n" in text
    assert f"segment_and_separate.loud_percentile = {LOUD_PERCENTILE}\n" in text


def test_a_python_without_the_packages_is_told_in_one_sentence():
    words = ["-I", "-S", "main.py", "cache", "-c", "toy/env.gin"]
    done = road.python(*words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "is not installed in" in line and "activate the environment" in line


def compiled(tmp_path, *configs):
    out = tmp_path / "out"
    assert main.main(["instantiate", "-c", *map(str, configs), "-o", str(out)]) == 0
    return (out / "run0/config.gin").read_text()


def test_an_include_is_looked_for_beside_the_file_that_includes_it(tmp_path, monkeypatch):
    for name, text in {
        "top.gin": "include 'sub/middle.gin'\ntrain.num_epochs = 1\n",
        "sub/middle.gin": "include 'leaf.gin'\n",
        "sub/leaf.gin": "train.seed = 3\n",
        "leaf.gin": "train.seed = 4\n",  # in the working folder: comes second
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert "train.seed = 3" in compiled(tmp_path, "top.gin")
    (tmp_path / "sub/leaf.gin").unlink()
    assert main.main(["instantiate", "-c", "top.gin", "-o", "again"]) == 0
    assert "train.seed = 4" in (tmp_path / "again/run0/config.gin").read_text()


def test_an_include_beside_another_file_of_the_command_line_does_not_win(tmp_path):
    for folder, seed in (("x", 1), ("y", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "common.gin").write_text(f"train.seed = {seed}\n")
    (tmp_path / "x/other.gin").write_text("train.batch_size = 7\n")
    (tmp_path / "y/main.gin").write_text("include 'common.gin'\n")
    assert "train.seed = 2" in compiled(tmp_path, tmp_path / "x/other.gin", tmp_path / "y/main.gin")


def test_files_that_include_each_other_are_told(tmp_path, capsys):
    (tmp_path / "a.gin").write_text("include 'b.gin'\n")
    (tmp_path / "b.gin").write_text("include 'a.gin'\n")
    assert "a.gin includes itself, by way of b.gin" in told(
        capsys, "instantiate", tmp_path / "a.gin"
    )


def test_later_files_win_and_bindings_win_over_files(tmp_path):
    first, second = tmp_path / "a.gin", tmp_path / "b.gin"
    first.write_text("train.seed = 1\ntrain.num_epochs = 1\ninclude 'c.gin'\n")
    second.write_text("train.seed = 2\n")
    (tmp_path / "c.gin").write_text("train.batch_size = 7\n")
    out = tmp_path / "out"
    main.main(
        ["instantiate", "-c", str(first), str(second), "-o", str(out), "-b", "train.num_epochs=9"]
    )
    text = (out / "run0/config.gin").read_text()
    for line in ("train.seed = 2", "train.num_epochs = 9", "train.batch_size = 7"):
        assert line in text
