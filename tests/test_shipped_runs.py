"""The experiments under musdb/exp, as shipped: complete, as compiled today, and fit to run anywhere."""

import contextlib
import copy
import re
import shutil
import subprocess
from pathlib import Path

import gin
import numpy as np
import nussl
import pytest
import soundfile
import torch

from audition import configs, registry
from audition.files import read_json
from audition.losses import Losses
from audition.runs.folder import Run
from tests.support import road

EXP = road.ROOT / "musdb/exp"
RUNS = sorted(str(path.parent.relative_to(EXP)) for path in EXP.rglob("recipe.gin"))
MODELS = [name for name in RUNS if name.startswith("models/")]
SEGMENTS = [name for name in RUNS if name.startswith("segment_and_separate/")]
PRIMITIVES = [name for name in RUNS if name.startswith("primitives/")]
NEVER = 100  # epochs of patience
# epochs, iterations, learning rate, patience, incoherent, mixtures, balance every, tested
BOOTSTRAP = (25, 800, 1e-3, NEVER, 0.8, 400_000, 100, "latest")
BOOTSTRAP_YOUTUBE = (25, 800, 1e-3, NEVER, 0.2, 400_000, 100, "latest")
ONE_SONG = (1, 1600, 1e-3, NEVER, 0.8, 32_000, 10, "latest")
SUBSET = (1, 800, 1e-5, NEVER, 0.8, 800_000, 10, "latest")
PUBLISHED = {
    "models/GroundTruthMel300": (40, 800, 1e-3, 5, 0.2, 800_000, 100, "best"),
    "models/GroundTruthMel300-25Epochs": (25, 800, 1e-3, 5, 0.8, 400_000, 100, "best"),
    **{f"models/BootstrapMUSDBIncoherent/Q{number}": BOOTSTRAP for number in range(1, 6)},
    "models/BootstrapYoutube/Q1": BOOTSTRAP,
    "models/BootstrapYoutube/Q2-Q5": BOOTSTRAP_YOUTUBE,
    "models/BootstrapYoutube/Q4-Q5": BOOTSTRAP_YOUTUBE,
    "models/BootstrapYoutube/DPCL-Q2-Q5": BOOTSTRAP_YOUTUBE,
    # of the published 50 epochs, the first 25 are those of Q2-Q5, from which it starts
    "models/BootstrapYoutube/FineTune": (25, 800, 1e-3, NEVER, 0.2, 800_000, 100, "latest"),
    "models/BootstrapYoutube/FineTuneToOneSong": ONE_SONG,
    "models/BootstrapYoutube/TrainOnSubset": ONE_SONG,
    "models/BootstrapYoutube/FineTuneToSubset": SUBSET,
    "models/BootstrapYoutube/TrainToValSubset": SUBSET,
}
TEACHERS = {
    *("PrimitiveClusteringTrain", "PrimitiveClusteringVal", "PrimitiveClusteringYouTube"),
    *("DeepClusteringTrain", "DeepClusteringYouTube"),
}
CUES = {"2DFT-M", "2DFT-R", "HPSS", "MelodiaDefault", "PrimitiveClustering"}

SAMPLE_RATE = 16000
SONGS = {"train": ["a", "b"], "valid": ["c"], "test": ["d"], "one_song": ["a"]}
SMALL_DATA = (
    *("SCENE_SECONDS = 1.0", "EVENT_SECONDS = 1.0", "PITCH_SHIFT = None", "TIME_STRETCH = None"),
    *("NUM_MIXTURES = 4", "val/OnTheFly.num_mixtures = 1", "train.num_data_workers = 0"),
    *(
        f"{name}.num_workers = 0"
        for name in ("evaluate", "resample_folder", "segment_and_separate")
    ),
    *("segment_and_separate.window_seconds = 1.0", "segment_and_separate.hop_seconds = 0.5"),
)
SMALL_NETWORK = (
    *("build_chimera_with_mel.num_mels = 20", "build_chimera_with_mel.hidden_size = 4"),
    "build_chimera_with_mel.num_layers = 1",
)
SMALL_TRAINING = (
    *SMALL_NETWORK,
    *("train.epoch_length = 1", "train.num_epochs = 1", "train.batch_size = 2"),
    "train.num_threads = 1",
)


def pulse(random, length):
    """A loop of noise bursts, which repeats as an accompaniment does."""
    burst = random.randn(length // 6) * np.linspace(1, 0, length // 6) ** 4
    return 0.1 * np.resize(burst, length)


def glide(random, length):
    """Harmonics of a gliding pitch, which moves as a voice does."""
    time = np.arange(length) / SAMPLE_RATE
    phase = 2 * np.pi * (random.uniform(200, 300) * time + 4 * np.cos(5 * time))
    return 0.05 * sum(np.sin(k * phase) / k for k in range(1, 8))


def write_songs(root):
    """`<root>/prepared/{train,valid,test,one_song}/<stem>/<title>.wav`; two recordings."""
    random = np.random.RandomState(0)
    for split, titles in SONGS.items():
        for title in titles:
            stems = {
                "accompaniment": pulse(random, 2 * SAMPLE_RATE),
                "vocals": glide(random, 2 * SAMPLE_RATE),
            }
            stems["mixture"] = sum(stems.values())
            for stem, audio in stems.items():
                write(root / "prepared" / split / stem / f"{title}.wav", audio)
    for title in ("pop/e", "rock/f"):
        both = pulse(random, 2 * SAMPLE_RATE) + glide(random, 2 * SAMPLE_RATE)
        write(root / "crawled" / f"{title}.wav", both)


def write(path, audio):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, SAMPLE_RATE)


def copy_shipped(root):
    """`<root>/musdb` without what runs left here, and without this machine's env.gin."""
    for path in (road.ROOT / "musdb").rglob("*"):
        if path.name == "run.json" or (path.suffix == ".gin" and path.name != "env.gin"):
            target = root / path.relative_to(road.ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A machine with the shipped files, an env.gin filled in, and some songs."""
    root = tmp_path_factory.mktemp("machine")
    copy_shipped(root)
    write_songs(root)
    values = {
        "MUSDB_ROOT": root / "songs",
        "MUSDB_PREPARED": root / "prepared",
        "CACHE_ROOT": root / "cache",
        "RECORDINGS_ROOT": root / "crawled",
        "RECORDINGS_PREPARED": root / "recordings",
        "SEPARATED_ROOT": root / "separated",
    }
    example = (root / "musdb/env.example.gin").read_text()
    assert set(values) == set(re.findall(r"^(\w+) =", example, re.MULTILINE))
    text = "".join(f"{name} = '{path}'\n" for name, path in values.items())
    (root / "musdb/env.gin").write_text(text)
    with contextlib.chdir(root):
        prepare = ("musdb/env.gin", "musdb/prepare_recordings.gin")
        road.call("resample_folder", *prepare, "resample_folder.num_workers = 0")
    return root


@pytest.fixture(autouse=True)
def on_the_machine(machine, monkeypatch):
    monkeypatch.chdir(machine)
    registry.register()


def config_of(name):
    return Path("musdb/exp", name, "config.gin")


def value(binding):
    """What the command would get: gin builds `@references()` and looks up `%macros` as it copies."""
    return copy.deepcopy(gin.query_parameter(binding))


def test_each_row_of_the_published_tables_is_shipped():
    assert set(MODELS) == set(PUBLISHED)
    assert {Path(name).name for name in SEGMENTS} == TEACHERS
    assert {Path(name).name for name in PRIMITIVES} == CUES
    compiled = {str(path.parent.relative_to(EXP)) for path in EXP.rglob("config.gin")}
    assert compiled == set(RUNS) == set(MODELS + SEGMENTS + PRIMITIVES)


@pytest.mark.parametrize("name", RUNS)
def test_a_config_is_what_its_recipe_compiles_to(name):
    """If not: make recipes."""
    road.call("instantiate", Path("musdb/exp", name, "recipe.gin"))
    run = Run(Path("musdb/exp", name))
    assert run.config.read_text() == (EXP / name / "config.gin").read_text()
    assert run.record.read_text() == (EXP / name / "run.json").read_text()


@pytest.mark.parametrize("name", RUNS)
def test_nothing_in_it_is_of_one_machine(name):
    run = Run(EXP / name)
    assert not re.search(r"['\"](/|~|[A-Z]:\\)", run.config.read_text() + run.record.read_text())
    assert "include 'musdb/env.gin'" in run.config.read_text()
    assert set(read_json(run.record)) == {"sweep_point", "sources"}


@pytest.mark.parametrize("name", MODELS)
def test_a_network_is_trained_as_published(name):
    configs.load([config_of(name)])
    scheduler = "torch.optim.lr_scheduler.ReduceLROnPlateau"
    bindings = ["train.num_epochs", "train.epoch_length", "torch.optim.Adam.lr"]
    bindings += [
        f"{scheduler}.patience",
        "BalancedMixer.incoherent_fraction",
        "train/OnTheFly.num_mixtures",
    ]
    found = [value(binding) for binding in [*bindings, "add_auto_balance_loss.every"]]
    tested = re.fullmatch(
        r"checkpoints/(\w+)\.model\.pth", value("evaluate.separator").model_path
    ).group(1)
    assert (*found, tested) == PUBLISHED[name]
    network = value("train.model_config")
    dual_path = network["modules"]["dual_path"]["args"]
    sizes = [dual_path[key] for key in ("in_features", "num_layers", "chunk_size", "hop_size")]
    assert [*sizes, dual_path["intra_processor"]["args"]["hidden_size"]] == [300, 3, 100, 50, 300]
    model = nussl.ml.SeparationModel(network)
    assert model.output_keys == ["embedding", "estimates", "mask"]
    assert not active_dropout(model)
    assert (value("train.batch_size"), value("Scene.duration_seconds")) == (20, 10)
    assert value("add_autoclip_gradient_handler.clip_percentile") == 50
    assert value(f"{scheduler}.factor") == 0.5
    weights = {loss: entry["weight"] for loss, entry in value("train.loss_dictionary").items()}
    assert weights == {"MaskInferenceLoss": 1, "WhitenedKMeansLoss": 20000}
    for mixer in ("IncoherentMixer", "CoherentMixer"):
        events = value(f"{mixer}.event_parameters")
        assert events["snr"] == ("uniform", -10, 0) and events["pitch_shift"] == ("uniform", -2, 2)
        assert events["time_stretch"] == ("uniform", 0.8, 1.2)
    assert (value("Scene.ref_db"), value("train.seed"), value("cache.datasets")) == (-40, 0, [])
    if "GroundTruth" in name:
        assert value("LoudRegions.window_seconds") == 1
    learned = value("IncoherentMixer.event_parameters")["label"][1]
    assert learned == (["s0", "s1"] if has_pseudo_sources(name) else ["vocals", "accompaniment"])


def active_dropout(model):
    """Layers that drop out; the paper's code takes a dropout and never uses it."""
    kinds = (torch.nn.modules.dropout._DropoutNd, torch.nn.RNNBase)
    layers = [layer for layer in model.modules() if isinstance(layer, kinds)]
    assert layers
    return [layer for layer in layers if getattr(layer, "p", 0) or getattr(layer, "dropout", 0)]


def has_pseudo_sources(name):
    return re.search(r"Bootstrap\w+/(DPCL-)?Q\d", name) is not None


@pytest.mark.parametrize("name", SEGMENTS)
def test_segments_are_cut_and_measured_as_published(name):
    configs.load([config_of(name)])
    names = ("window_seconds", "hop_seconds", "quietest_lufs", "loud_percentile", "to_the_end")
    found = [value(f"segment_and_separate.{one}") for one in names]
    window, hop = (15, 7.5) if name.endswith("Val") else (30, 15)
    assert found == [window, hop, -40, 99, True]


FIFTHS = {"Q1": (0, 20), "Q2": (20, 40), "Q3": (40, 60), "Q4": (60, 80), "Q5": (80, 100)}


@pytest.mark.parametrize("name", [name for name in MODELS if has_pseudo_sources(name)])
def test_it_learns_from_the_fifths_it_is_named_after(name):
    configs.load([config_of(name)])
    fifths = re.findall(r"Q\d", name)
    (rule,) = value("construct_symlink_folder.rules")
    assert (rule.perc_min, rule.perc_max) == (FIFTHS[fifths[0]][0], FIFTHS[fifths[-1]][1])
    kind = "Deep" if "DPCL" in name else "Primitive"
    folders = [f"{kind}ClusteringTrain", f"{kind}ClusteringYouTube"]
    found = [Path(path).name for path in value("construct_symlink_folder.segments")]
    assert found == (folders if "Youtube" in name else folders[:1])
    chosen = value("construct_symlink_folder.destination")
    assert chosen == value("train/Scene.foreground_path") and chosen.endswith(
        name.removeprefix("models/")
    )


@pytest.fixture(scope="module")
def pseudo_sources(machine):
    """A binding: folder where each model finds stems in place of the segments it chooses."""
    for name in MODELS:
        for number, stem in enumerate(("accompaniment", "vocals")):
            folder = machine / "stems/chosen" / name.removeprefix("models/") / f"s{number}"
            shutil.copytree(machine / "prepared/train" / stem, folder)
    return f"SEPARATED_ROOT = '{machine / 'stems'}'"


@pytest.mark.parametrize("name", MODELS)
def test_a_network_builds_with_its_data_and_learns(name, pseudo_sources):
    """One mixture, a small network."""
    configs.load([config_of(name)], [*SMALL_DATA, *SMALL_NETWORK, pseudo_sources])
    torch.manual_seed(0)
    train_data, val_data = value("train.train_data"), value("train.val_data")
    test_data, separator = value("evaluate.test_data"), value("evaluate.separator")
    assert [len(train_data), len(val_data), len(test_data)] == [4, 1, 1]
    # estimates come in the order of the training sources, and are scored in that of the test's
    in_order = ["s0::0", "s1::0"] if has_pseudo_sources(name) else None
    assert train_data.source_names == (in_order or ["accompaniment::0", "vocals::0"])
    assert val_data.source_names == ["accompaniment::0", "vocals::0"]
    assert test_data.source_names == ["accompaniment", "vocals"]
    assert value("evaluate.metrics")[0].compute_permutation is False
    waveforms = torch.from_numpy(train_data.waveforms(0))[None]
    data = value("train.features")({"mix": waveforms[:, 0], "sources": waveforms[:, 1:]})
    model = nussl.ml.SeparationModel(value("train.model_config"))
    output = model(dict(data))
    assert separator.output_key in output and output["mask"].shape[-1] == 2
    losses = Losses(value("train.loss_dictionary"))(output, data)
    losses["loss"].backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert torch.isfinite(Losses(value("train.val_loss_dictionary"))(output, data)["loss"])


@pytest.mark.parametrize("name", SEGMENTS)
def test_a_teacher_builds_with_its_data(name):
    configs.load([config_of(name)], SMALL_DATA)
    data, separator = value("segment_and_separate.data"), value("segment_and_separate.separator")
    assert callable(separator.finish)
    assert value("segment_and_separate.folder").endswith(f"separated/{Path(name).name}")
    split = "valid" if name.endswith("Val") else "train"
    titles = ["e", "f"] if name.endswith("YouTube") else SONGS[split]
    assert data.names == titles
    if "Deep" in name:
        model = Path("musdb/exp", name, separator.model_path).resolve()
        assert model.parent.parent == Path("musdb/exp/models/BootstrapYoutube/Q2-Q5").resolve()


def test_melodia_builds():
    configs.load([config_of("primitives/MelodiaDefault")])
    assert value("evaluate.separator").algorithm is nussl.separation.primitive.Melodia


@pytest.mark.parametrize("name", [name for name in PRIMITIVES if "Melodia" not in name])
def test_a_primitive_is_scored(name):
    for command in ("evaluate", "analyze"):
        road.call(command, config_of(name), "evaluate.num_workers = 0")
    card = Run(Path("musdb/exp", name)).report_card_txt.read_text()
    assert "accompaniment" in card and "vocals" in card


COMMAND = re.compile(r"^    python main\.py (\w+) -c ((?:\S+\.gin ?)+)", re.MULTILINE)


def test_the_readme_s_commands_run_in_their_order():
    """Both rounds, the fine-tuning and the ground truth, with one small iteration each."""
    section = (road.ROOT / "musdb/README.md").read_text().split("## The paper's experiments")[1]
    commands = COMMAND.findall(section)
    for command, paths in commands:
        is_model = "exp/models" in paths
        road.call(command, *paths.split(), *SMALL_DATA, *(SMALL_TRAINING if is_model else ()))
    assert {path for _, path in commands if "exp/" in path} > {
        str(config_of(f"models/BootstrapYoutube/{name}")) for name in ("FineTune", "DPCL-Q2-Q5")
    }
    chosen = Path("separated/chosen")
    linked = {path.resolve().parts[-3] for path in chosen.rglob("DPCL-Q2-Q5/s0/*.wav")}
    assert linked == {"DeepClusteringTrain", "DeepClusteringYouTube"}
    assert len(list(chosen.rglob("Q5/s1/*.wav"))) < len(list(chosen.rglob("Q2-Q5/s1/*.wav")))
    card = Run(Path("musdb/exp/models/BootstrapYoutube/FineTune")).report_card_txt
    assert "vocals" in card.read_text()


def test_without_env_gin_it_says_what_to_copy(tmp_path, monkeypatch, capsys):
    copy_shipped(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = config_of("models/GroundTruthMel300")
    assert road.call("all", config, check=False) == 2
    assert capsys.readouterr().err == (
        f"main.py all: {config}: there is no file 'musdb/env.gin' to include; copy "
        "musdb/env.example.gin to musdb/env.gin and fill it in.\n"
    )


@pytest.mark.parametrize(
    ("path", "is_tracked"),
    [
        *((f"{name}/{file}", True) for name in RUNS for file in ("config.gin", "run.json")),
        ("cues/hpss.gin", True),
        ("primitives/HPSS/operative.evaluate.gin", False),
        ("primitives/HPSS/results/song.json", False),
        ("models/BootstrapYoutube/Q1/status.json", False),
        ("models/BootstrapYoutube/Q1/.status.lock", False),
        ("models/BootstrapYoutube/Q1/checkpoints/latest.pth", False),
        ("models/GroundTruthMel300/report_card.txt", False),
        ("models/GroundTruthMel300/debug/song/audio/vocals.wav", False),
        ("segment_and_separate/DeepClusteringTrain/logs/log.txt", False),
    ],
)
def test_git_keeps_what_is_shipped_and_nothing_that_a_run_leaves(path, is_tracked):
    words = ["git", "check-ignore", "--quiet", "--no-index", f"musdb/exp/{path}"]
    assert subprocess.run(words, cwd=road.ROOT).returncode == (1 if is_tracked else 0)


@pytest.mark.parametrize("recipe", [*road.recipes(), "a_recipe_to_come"])
def test_git_keeps_a_machine_s_paths_out(recipe):
    words = ["git", "check-ignore", "--quiet", "--no-index", f"{recipe}/env.gin"]
    shipped = recipe == "toy"
    assert subprocess.run(words, cwd=road.ROOT).returncode == (1 if shipped else 0)


def test_compiled_configs_are_left_out_of_diffs():
    for name in ("config.gin", "run.json", "recipe.gin"):
        path = f"musdb/exp/models/GroundTruthMel300/{name}"
        words = ["git", "check-attr", "diff", "linguist-generated", "--", path]
        told = subprocess.run(words, cwd=road.ROOT, capture_output=True, text=True).stdout
        generated = name != "recipe.gin"
        assert ("diff: unset" in told and "linguist-generated: set" in told) == generated
