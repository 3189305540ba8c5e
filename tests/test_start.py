"""`train.init_from`: what a training starts from, whole or in part."""

import pytest
import torch

from tests.support import road
from tests.support.training import QUICK, assert_same, state, told

STILL = "torch.optim.Adam.lr = 0.0"  # the weights stay where they began
RNN = "layers.recurrent_stack.rnn.weight_ih_l0"


@pytest.fixture
def first(instantiate):
    (run,) = instantiate(*QUICK)
    road.call("train", run.config)
    return run


def learned(run):
    """Weights of a run's checkpoint, without what BatchNorm counts."""
    weights = state(run)["model"]
    return {name: one for name, one in weights.items() if name.endswith(("weight", "bias"))}


def test_a_checkpoint_gives_the_weights_it_was_written_with(instantiate, first):
    run = instantiate(*QUICK, STILL, f"train.init_from = '{first.latest}'", "train.seed = 5")[-1]
    road.call("train", run.config)
    assert_same(learned(run), {name: state(first)["model"][name] for name in learned(run)})


def test_what_fits_is_taken_and_the_rest_is_named(instantiate, first, caplog):
    deeper = ("build_recurrent_chimera.num_layers = 1", "build_recurrent_chimera.num_sources = 3")
    loss = "train.loss_dictionary = {'WhitenedKMeansLoss': {}}"
    source = (f"train.init_from = '{first.folder}'", "train.init_strict = False", "train.seed = 5")
    run = instantiate(*QUICK, STILL, loss, *deeper, *source)[-1]
    road.call("train", run.config)
    assert torch.equal(state(run)["model"][RNN], state(first)["model"][RNN])
    taken, left, drawn = (
        next(line for line in caplog.messages if line.startswith(start)).split(": ")[1].split(", ")
        for start in ("Taken from", "Left in", "As they were drawn")
    )
    assert RNN in taken
    assert RNN.replace("l0", "l1") in left
    masks = [name for name in learned(run) if "mask" in name]
    assert masks == [name for name in drawn if name.endswith(("weight", "bias"))]
    assert {*taken, *drawn} == set(state(run)["model"])
    assert {*taken, *left} == set(state(first)["model"])


def test_a_network_of_which_nothing_fits_is_told(instantiate, first, capsys):
    other = (
        "train.model_config = None",
        "train.model = @ConvTasNet()",
        "ConvTasNet.num_sources = 2",
        "train.features = @WaveformFeatures()",
        "train.excerpt_frames = None",
        "train.excerpt_seconds = 0.5",
        "train.init_strict = False",
    )
    run = instantiate(*QUICK, *other, f"train.init_from = '{first.folder}'")[-1]
    line = told(capsys, "train", run.config)
    assert "No tensor of train.init_from = '" in line
    assert "give weights of a network like it, or bind None" in line


def test_a_strict_start_says_how_to_take_what_fits(instantiate, first, capsys):
    wider = "build_recurrent_chimera.hidden_size = 21"
    run = instantiate(*QUICK, wider, f"train.init_from = '{first.folder}'")[-1]
    line = told(capsys, "train", run.config)
    assert line.endswith("or bind train.init_strict = False to take those that fit.")
