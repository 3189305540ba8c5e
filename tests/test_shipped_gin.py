"""Every .gin file that is shipped: it loads, its network runs, its losses find what they read."""

import copy
import inspect
import re
from pathlib import Path

import gin
import nussl
import pytest
import torch

from audition import configs, models, registry
from audition.losses import Losses
from audition.models.waveform import config_of
from tests.support import road

ROOTS = tuple(f"{name} = '/nowhere'" for name in ("WHAM_ROOT", "MUSDB_ROOT", "MUSDB_PREPARED"))
GIVE_WITH = re.compile(r"[Gg]ive with (\S+/env\.gin) and (\S+\.gin)\b(?: or (\S+\.gin)\b)?")
COMPILED = ("recipe.gin", "config.gin")  # test_shipped_runs


def shipped_experiments():
    """The .gin files under a recipe's exp/, wherever there is a recipe."""
    folders = [road.ROOT / recipe / "exp" for recipe in road.recipes()]
    found = sorted(path for folder in folders for path in folder.rglob("*.gin"))
    return [p for p in found if p.name not in COMPILED and "out" not in p.parts]


def recipes_of(experiment):
    """What the head of an experiment says to give with it, as lists of paths; an env.gin's example."""
    for env, *data in GIVE_WITH.findall(experiment.read_text()):
        example = env.replace("env.gin", "env.example.gin")
        env = example if (road.ROOT / example).exists() else env
        yield from ([env, one, str(experiment.relative_to(road.ROOT))] for one in data if one)


EXPERIMENTS = shipped_experiments()
RECIPES = [recipe for experiment in EXPERIMENTS for recipe in recipes_of(experiment)]


def text_of(recipe):
    return (road.ROOT / recipe[-1]).read_text()


TRAINED = [recipe for recipe in RECIPES if "train.model_config" in text_of(recipe)]
WAVEFORM = [recipe for recipe in RECIPES if "train.model =" in text_of(recipe)]
RECURRENT = [recipe for recipe in TRAINED if "build_recurrent" in text_of(recipe)]


def name_of(recipe):
    return " ".join(recipe[1:])


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch):
    monkeypatch.chdir(road.ROOT)
    registry.register()


def points_of(recipe):
    configs.load(recipe, ROOTS)
    return configs.sweep_points()


def load_point(recipe, point, *bindings):
    """The text of one run's config, which is then in force."""
    configs.load(recipe, (*ROOTS, *bindings))
    return next(configs.compiled([point]))


def shrunk(recipe):
    """Bindings that make the recipe's network small."""
    builders = sorted(set(re.findall(r"^(build_\w+)\.", text_of(recipe), re.M)))
    return [f"{name}.{size}" for name in builders for size in ("hidden_size = 8", "num_layers = 1")]


SMALLER = {  # arguments of waveform networks → sizes for tests, where a network has them
    "num_filters": 16,
    "channels": 8,
    "query_size": 16,
    "num_blocks": 2,
    "num_repeats": 1,
    "num_layers": 1,
    "num_heads": 2,
    "num_features": 8,
    "mask_hidden_size": 8,
    "bottleneck_channels": 16,
    "feed_forward_size": 16,
    "hidden_size": 8,
    "hidden_channels": 16,
    "chunk_size": 50,
}


def shrunk_network(recipe):
    """Bindings that make the network small that `train.model` names."""
    (name,) = set(re.findall(r"^train\.model = @(\w+)\(\)", text_of(recipe), re.M))
    arguments = inspect.signature(getattr(models, name)).parameters
    return [f"{name}.{key} = {size}" for key, size in SMALLER.items() if key in arguments]


def value(binding):
    """What the command would get: gin builds `@references()` and looks up `%macros` as it copies."""
    return copy.deepcopy(gin.query_parameter(binding))


def test_the_recipes_are_there():
    names = {Path(recipe[-1]).stem for recipe in RECIPES if recipe[0].startswith("wham")}
    assert {"chimera", "dpcl", "mask_inference", "whitened_kmeans"} <= names
    assert any(recipe[0] == "toy/env.gin" for recipe in TRAINED)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.relative_to(road.ROOT)))
def test_an_experiment_says_what_to_give_it_with(path):
    """Else it is given alone (to compare), or included by others."""
    text = path.read_text()
    name = str(path.relative_to(road.ROOT))
    included = any(f"include '{name}'" in other.read_text() for other in road.ROOT.rglob("*.gin"))
    assert GIVE_WITH.search(text) or "Give to " in text or included


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_a_recipe_loads_with_every_point_of_its_sweep(recipe):
    for point in points_of(recipe):
        assert "sweep.parameters" not in load_point(recipe, point)
        if "evaluate.separator" in text_of(recipe):
            assert callable(value("evaluate.separator").finish)


@pytest.mark.parametrize("recipe", WAVEFORM, ids=name_of)
def test_the_waveform_network_of_a_recipe_fits_its_losses(recipe):
    torch.manual_seed(0)
    load_point(recipe, points_of(recipe)[0], *shrunk_network(recipe))
    sources = torch.randn(2, value("NUM_SOURCES/macro.value"), 1, 4000)
    waveforms = {"mix": sources.sum(dim=1), "sources": sources}
    if "train.remix" in text_of(recipe):
        waveforms = value("train.remix")(waveforms, 1)
    num_sources = waveforms["sources"].shape[1]
    data = {**waveforms, **value("train.features")(waveforms)}
    model = nussl.ml.SeparationModel(config_of(value("train.model")))
    output = model(dict(data))
    assert output[value("evaluate.separator").output_key].shape == (2, 1, 4000, num_sources)
    losses = Losses(value("train.loss_dictionary"))(output, data)
    losses["loss"].backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    unread = [name for name, p in model.named_parameters() if p.grad is None]
    last_one = re.compile("residual|res_conv")  # of a Conv-TasNet that skips, ours or asteroid's
    assert all(last_one.search(name) for name in unread)


@pytest.mark.parametrize("recipe", TRAINED, ids=name_of)
def test_a_recipe_builds_a_network_that_its_losses_and_separator_fit(recipe):
    torch.manual_seed(0)
    for point in points_of(recipe):
        load_point(recipe, point, *shrunk(recipe))
        features, num_sources = value("train.features"), value("NUM_SOURCES/macro.value")
        model = nussl.ml.SeparationModel(value("train.model_config"))
        sources = torch.randn(2, num_sources, 1, features.num_samples(100))
        data = features({"mix": sources.sum(dim=1), "sources": sources})
        output = model(dict(data))
        assert value("evaluate.separator").output_key in output
        losses = Losses(value("train.loss_dictionary"))(output, data)
        losses["loss"].backward()
        assert all(torch.isfinite(loss) for loss in losses.values())
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
        if "mask" in output:
            assert output["mask"].shape[-1] == num_sources


@pytest.mark.parametrize("recipe", RECURRENT, ids=name_of)
def test_a_recipe_has_the_size_its_comments_say(recipe):
    configs.load(recipe, ROOTS)
    config, features = value("train.model_config"), value("train.features")
    recurrent = config["modules"]["recurrent_stack"]["args"]
    assert recurrent["num_features"] == features.stft_params.window_length // 2 + 1
    if recipe[0].startswith("wham"):
        assert (recurrent["hidden_size"], recurrent["num_layers"]) == (600, 4)
        assert (value("train.batch_size"), value("train.excerpt_frames")) == (25, 400)
        assert value("torch.optim.Adam.lr") == 1e-3
        assert value("add_autoclip_gradient_handler.clip_percentile") == 10
    if recipe[0].startswith("musdb"):
        assert (recurrent["hidden_size"], recurrent["num_layers"]) == (300, 4)


@pytest.mark.parametrize(
    "recipe", [recipe for recipe in TRAINED if "wham/wham8k.gin" in recipe], ids=name_of
)
def test_a_recipe_trains_with_all_its_handlers(recipe, speech, tmp_path):
    paths = [f"WHAM_ROOT = '{speech}'", f"CACHE_ROOT = '{tmp_path / 'cache'}'"]
    small = ["train.epoch_length = 2", "train.num_epochs = 1", "train.excerpt_frames = 30"]
    small += ["train.batch_size = 4", "train.num_data_workers = 0", "train.num_threads = 1"]
    out = f"instantiate.output_folder = '{tmp_path / 'out'}'"
    road.call("instantiate", *recipe, *paths, *small, *shrunk(recipe), out)
    run = sorted((tmp_path / "out").glob("run[0-9]*"))[0]
    road.call("train", run / "config.gin")
    assert (run / "checkpoints/best.model.pth").exists()


def test_the_example_without_values_asks_for_the_root(capsys):
    recipe = ["wham/env.example.gin", "wham/wham8k.gin", "wham/exp/dpcl.gin"]
    assert road.call("instantiate", *recipe, check=False) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(
        "main.py instantiate: WHAM_ROOT has no value yet; set it in your env.gin"
    )
