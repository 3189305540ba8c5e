"""A loss or gradient that is not finite: the weights stay as they are, and replay finds where it began."""

import pytest
import torch

from audition.files import read_json
from tests.support import road
from tests.support.training import EXPLODING, QUICK, state, told


@pytest.fixture
def poisoned(instantiate, speech, tmp_path):
    """Function `(loss, *bindings)` → a Run in which one item is poisoned, and the item's name."""
    name = sorted((speech / "wav8k/min/tr/mix_clean").glob("*.wav"))[5].stem
    own = tmp_path / "own.gin"

    def make(loss, *bindings, name=name):
        own.write_text(
            f"import tests.support.poison\ntrain.loss_dictionary = {{'{loss}': {{}}}}\n"
            f"train/build_dataset.item_transforms = [@Poisoned()]\nPoisoned.name = '{name}'\n"
            "train.val_data = None\n"
        )
        return instantiate(own, *QUICK, *bindings)[-1], name

    return make


def is_finite(weights):
    return all(one.isfinite().all() for one in weights.values() if one.is_floating_point())


@pytest.mark.parametrize(
    ("loss", "wrong", "operation"),
    [
        ("RootLoss", "the gradient is nan", "SqrtBackward0 (poison.py, line"),
        ("LogLoss", "LogLoss is -inf, loss is -inf, the gradient is nan", "log (poison.py, line"),
    ],
)
def test_it_reaches_no_checkpoint_and_replay_names_where_it_began(
    poisoned, capsys, loss, wrong, operation
):
    parts = ("train.batch_size = 2", "train.accumulate_batches = 2")
    run, name = poisoned(loss, *parts, "train.save_every_iterations = 1")
    line = told(capsys, "train", run.config)
    step = read_json(run.black_box_step)
    assert step["iteration"] == 2 and " in iteration 2; lower the learning rate" in line
    assert "replay names the item and the layer" in line
    assert state(run)["iteration"] == 1 and is_finite(state(run)["model"])
    assert is_finite(torch.load(run.black_box_weights)["model"])
    assert name in [one["item"] for one in step["excerpts"]] and len(step["excerpts"]) == 4
    assert "nan" in step["gradient_norms"].values()
    before = read_json(run.status)
    road.call("replay", run.config)
    said = capsys.readouterr().out
    assert f"iteration 2: {wrong}\n" in said
    assert said.count("item: ") == 1 and f"item: {name}, samples " in said
    assert f"layer: {loss}\noperation: {operation}" in said
    assert read_json(run.status) == before


def test_a_step_that_is_left_out_changes_nothing_and_counts_in_no_mean(poisoned, capsys):
    handlers = "train.handlers = [@add_autoclip_gradient_handler, @add_auto_balance_loss]"
    own = (handlers, "add_auto_balance_loss.every = 1", "train.skip_nonfinite = 1")
    run, _ = poisoned("RootLoss", *own, "train.num_epochs = 2")
    road.call("train", run.config)
    found = state(run)
    assert is_finite(found["model"]) and found["skipped"][1] == 0
    assert found["kept"]["autoclip"]["counts"].sum() == 4  # of six iterations
    assert all(0 < one < 1 for one in found["history"]["train/loss"])


def test_more_in_a_row_than_allowed_end_the_training(poisoned, capsys):
    run, _ = poisoned("RootLoss", "train.skip_nonfinite = 1", name="")
    assert "in iteration 2, the last of 2 in a row; lower" in told(capsys, "train", run.config)
    assert read_json(run.black_box_step)["iteration"] == 1


def test_an_epoch_without_a_step_is_told(poisoned, capsys):
    run, _ = poisoned("RootLoss", "train.skip_nonfinite = 9", name="")
    assert "all 3 iterations of epoch 1 were left out" in told(capsys, "train", run.config)


def test_weights_that_the_last_step_made_infinite_are_not_written(instantiate, capsys):
    (run,) = instantiate(*QUICK, *EXPLODING, "train.val_data = None", "train.epoch_length = 1")
    line = told(capsys, "train", run.config)
    assert "are no longer finite, so" in line and "was not written; lower the learning" in line
    assert not list(run.checkpoints.glob("*"))


def test_replay_without_a_black_box_is_told_before_a_network_is_built(instantiate, capsys, caplog):
    (run,) = instantiate(*QUICK)
    assert "black_box holds no step: replay is for a training" in told(capsys, "replay", run.config)
    assert "Number of parameters" not in caplog.text
