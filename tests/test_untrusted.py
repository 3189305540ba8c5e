"""--untrusted: a .gin file of a stranger sets what it may, and runs, writes and includes nothing."""

import os
import re

import gin
import pytest

from audition import configs, registry
from audition.configs import untrusted
from audition.configs.complaints import parameters_of
from audition.errors import ConfigError
from audition.files import inside, read_json, write_json
from audition.runs.folder import Run
from audition.separators import load_separator
from tests.support import road
from tests.support.training import QUICK, told

# A parameter of these names leads to files; whoever adds one decides whether something is written there.
PATHS = re.compile(
    "folder|folders|root|.*_root|.*_path|path|destination|output.*|.*_folder|.*_file"
)
READ = {
    *("FUSS.folder", "OnTheFly.folder", "WHAM.folder"),  # of nussl's base class
    *(
        "AudioFolder.folder",
        "FUSS.root",
        "MUSDB18.folder",
        "MixSourceFolder.folder",
        "Scaper.folder",
    ),
    *("WHAM.root", "MixSourceFolder.mix_folder", "WHAM.mix_folder", "Scene.foreground_path"),
    *("Scene.background_path", "compare.folders", "subfolder.root", "in_run.path"),
    *(f"{name}.model_path" for name in ("MaskEstimation", "EmbeddingClustering")),
    *("WaveformEstimation.model_path", "DeepAudioEstimation.model_path"),
    *("DeepClustering.model_path", "DeepMaskEstimation.model_path"),
    *("AudioSignal.path_to_input_file", "DemucsModel.folder"),
}
HOSTILE = {
    "import shutil": "line 1: `import shutil` runs code, which --untrusted doesn't allow",
    "from __gin__ import dynamic_registration\nimport os\nos.system.command = 'true'": (
        "`from __gin__ import dynamic_registration` runs code"
    ),
    "from os import system as train": "`from os import system as train` runs code",
    "include '{outside}/more.gin'": "more.gin lies outside the folder of the file that includes it",
    "include '../outside/more.gin'": "more.gin lies outside the folder of the file that includes it",
    "include 'link.gin'": "link.gin lies outside the folder of the file that includes it",
    "include 'more.gin'": "more.gin line 2: `import shutil` runs code",
    "evaluate.metrics = [@resample_folder()]": "evaluate.metrics refers to @resample_folder",
    "LambdaLR.lr_lambda = @prepare_musdb": "LambdaLR.lr_lambda refers to @prepare_musdb",
    "X = {{'a': [(@make_toy_music(),)]}}": "X refers to @make_toy_music",
    "sweep.parameters = {{'X': [@bootstrap]}}\nX = 1": "refers to @run_rounds|refers to @bootstrap",
    "evaluate.separator = @AsteroidModel()": "evaluate.separator refers to @AsteroidModel",
    "train.handlers = [@add_wandb_logger]": "train.handlers refers to @add_wandb_logger",
    "X = '{outside}'": "X = '.*' leads out of the folder of its .gin file",
    "X = [{{'deep': '~/.ssh'}}]": "X = '~/.ssh' leads out",
    "in_run.path = '../../x'": "in_run.path = '../../x' leads out",
    "MaskEstimation.model_path = '../x.pth'": "MaskEstimation.model_path = '../x.pth' leads out",
    "X = os.system('true')": "line 1: ",
    "X = " + "[" * 3000: "",
    "X = '/\\0'": "X = .* leads out",
}


@pytest.fixture
def stranger(tmp_path):
    """A folder with files of a stranger beside a folder that is none of his."""
    outside, folder = tmp_path / "outside", tmp_path / "theirs"
    outside.mkdir()
    folder.mkdir()
    (outside / "more.gin").write_text("train.seed = 1\n")
    (folder / "more.gin").write_text("train.seed = 1\nimport shutil\n")
    (folder / "link.gin").symlink_to(outside / "more.gin")
    return folder


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_strangers_file_may_not_say(stranger, text, capsys):
    path = stranger / "config.gin"
    path.write_text(text.format(outside=stranger.parent / "outside") + "\n")
    assert road.call("cache", path, "--untrusted", check=False) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("main.py")]
    assert re.search(HOSTILE[text], line), line


def test_bindings_of_the_command_line_are_the_persons_own(instantiate, speech, tmp_path, capsys):
    """A run as it is shared: paths of another machine, which one's own replace."""
    (run,) = instantiate(*QUICK, "evaluate.separator = @nussl.separation.primitive.HPSS()")
    own = [f"WHAM_ROOT = '{speech}'", f"CACHE_ROOT = '{tmp_path / 'mine'}'"]
    text = run.config.read_text().replace(str(speech), "/home/someone/wham")
    run.config.write_text(text.replace(str(tmp_path / "cache"), "/home/someone/cache"))
    sentence = told(capsys, "evaluate", run.config, "--untrusted", *own[1:])
    assert "WHAM_ROOT = '/home/someone/wham' leads out" in sentence
    assert "with -b 'WHAM_ROOT = …'" in sentence
    road.call("evaluate", run.config, "--untrusted", *own)
    assert len(list(run.results.iterdir())) == 4
    road.call("listening_page", run.config, "--untrusted", *own, "listening_page.num_tracks = 1")
    assert run.listening_page.is_file()


def test_links_in_a_strangers_run_stay_in_it(instantiate, tmp_path, capsys):
    (run,) = instantiate(*QUICK)
    (tmp_path / "precious").mkdir()
    run.results.symlink_to(tmp_path / "precious")
    sentence = told(capsys, "evaluate", run.config, "--untrusted")
    assert (
        f"{run.results} is a link out of {run.folder}, which --untrusted doesn't allow" in sentence
    )
    with pytest.raises(ConfigError, match="is a link out of"):
        load_separator(run.folder, untrusted=True)


def test_load_separator_distrusts_a_run_and_forgets_it(instantiate, tmp_path):
    (run,) = instantiate(*QUICK, "CACHE_ROOT = None", "WHAM_ROOT = 'data'")
    with run.config.open("a") as file:
        file.write("import tests.support.attacks\n")
    with pytest.raises(ConfigError, match="runs code, which --untrusted doesn't allow"):
        load_separator(run.folder, untrusted=True)
    assert configs.distrust is None


def test_rounds_and_sweeps_are_distrusted_like_the_file_they_come_from(stranger):
    registry.register()
    path = stranger / "config.gin"
    path.write_text("X = 1\ntrain.seed = %X\nsweep.parameters = {'X': [2, 3]}\n")
    configs.load([path], untrusted=True)
    list(configs.compiled(configs.sweep_points()))
    with pytest.raises(ConfigError, match="X = '../../x' leads out"):
        list(configs.compiled([{"X": "../../x"}]))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("build_dataset.cache_root = 'src'", "build_dataset.cache_root"),
        ("val/build_dataset.cache_root = %C\nC = 'src'", "val/build_dataset.cache_root"),
        ("compare.folder = @subfolder()", "compare.folder"),
        ("resample_folder:\n  destination = 'src'", "resample_folder.destination"),
        ("cache.prune = True", "cache.prune"),
        ("instantiate.output_folder = '../../src'", "instantiate.output_folder"),
    ],
)
def test_a_strangers_file_does_not_say_where_to_write(stranger, text, name):
    registry.register()
    path = stranger / "config.gin"
    path.write_text(f"{text}\nsegment_and_separate.folder = @in_run()\nin_run.path = 'segments'\n")
    configs.load([path], untrusted=True)
    assert configs.raw_binding(name) is None
    assert configs.raw_binding("segment_and_separate.folder") is not None
    configs.load([path], [f"{name} = 'mine'"], untrusted=True)
    assert configs.raw_binding(name) == "mine"


def registered():
    """`(name, parameter)` of all that a .gin file may set."""
    registry.register()
    for selector, _ in gin.config._REGISTRY.items():
        if selector.startswith(("audition.", "nussl.")):
            name = selector.rpartition(".")[2]
            yield from ((name, parameter) for parameter in parameters_of(selector))


def test_every_path_is_known_as_read_or_written():
    pairs = set(registered())
    written = {(name, one) for name, ones in untrusted.WRITES.items() for one in ones}
    assert written <= pairs
    unknown = {f"{name}.{one}" for name, one in pairs - written if PATHS.fullmatch(one)} - READ
    assert not unknown, f"are these read or written? {sorted(unknown)}"


# paths in JSON --------------------------------------------------------------------------


def test_a_result_deletes_and_writes_nothing_outside(instantiate, tmp_path):
    (run,) = instantiate(*QUICK, "evaluate.separator = @nussl.separation.primitive.HPSS()")
    road.call("evaluate", run.config)
    path = next(run.results.iterdir())
    outside = run.folder / "x.json"
    outside.write_text("{}")
    result = read_json(path)
    result["metadata"]["track"] = "../x"
    write_json(path, result)
    write_json(run.results / "...json", result)
    road.call("evaluate", run.config)
    assert outside.read_text() == "{}" and len(list(run.results.iterdir())) == 4


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "..", "link/x"])
def test_paths_that_lead_out(tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="leads out of"):
        inside(folder, name)


def test_a_link_lies_where_it_lies(tmp_path):
    (tmp_path / "a").symlink_to("/etc")
    assert inside(tmp_path, "a") == tmp_path / "a"
    os.symlink(tmp_path, tmp_path / "self")
    assert inside(tmp_path / "self", "b/c") == tmp_path / "self/b/c"
    assert Run(tmp_path).folder == tmp_path
