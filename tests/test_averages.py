"""Averages of weights: what is validated, saved and evaluated, and what survives a restart."""

import json
import signal

import pytest
import torch

from audition import weights
from tests.support import road
from tests.support.training import assert_same, state, told

EMA = ("train.handlers = [@add_ema]", "add_ema.decay = 0.9", "torch.optim.Adam.lr = 1e-2")
BEST = ("train.handlers = [@add_average_of_best]", "add_average_of_best.num_epochs = 2")

NO_STATISTICS = (
    "train.model_config = None",
    "train.model = @ConvTasNet()",
    "ConvTasNet.num_sources = 2",
    "ConvTasNet.num_filters = 16",
    "ConvTasNet.bottleneck_channels = 8",
    "ConvTasNet.hidden_channels = 8",
    "ConvTasNet.skip_channels = 8",
    "ConvTasNet.num_repeats = 1",
    "ConvTasNet.num_blocks = 2",
    "train.features = @WaveformFeatures()",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.2",
    "train.loss_dictionary = {'PermutationInvariantLoss': {'args': ['SISDRLoss']}}",
)


def learned(tensors):
    return {name: one for name, one in tensors.items() if name.endswith(("weight", "bias"))}


def test_the_average_follows_the_weights_with_its_decay(instantiate):
    """Of one step: decay 2 / 11 in the first iteration."""
    (run,) = instantiate(*EMA, "train.num_epochs = 1", "train.epoch_length = 1")
    still = instantiate(*EMA, "train.num_epochs = 1", "torch.optim.Adam.lr = 0.0")[-1]
    road.call("train", run.config)
    road.call("train", still.config)
    before = learned(state(still)["model"])
    after = learned(state(run)["model"])
    average = learned(state(run)["kept"]["ema"])
    for name in before:
        expected = 2 / 11 * before[name] + 9 / 11 * after[name]
        torch.testing.assert_close(average[name], expected)


def test_the_average_is_validated_saved_and_evaluated(instantiate, caplog):
    (run,) = instantiate(*EMA, "train.num_epochs = 2")
    road.call("all", run.config)
    for path in (run.best_model, run.latest_model):
        stored = weights.read(path)
        assert stored.metadata["weights"] == "exponential moving average, decay 0.9"
    average = state(run)["kept"]["ema"]
    assert_same(dict(weights.read(run.latest_model).tensors), dict(sorted(average.items())))
    assert not all(torch.equal(average[name], one) for name, one in state(run)["model"].items())
    assert any("Validated and saved are the weights' exponential" in one for one in caplog.messages)
    assert any("holds an average: exponential moving average" in one for one in caplog.messages)


def test_what_is_validated_is_what_is_saved(instantiate):
    """Without batch normalisation's moving statistics: a training that stays where it began."""
    (run,) = instantiate(*EMA, *NO_STATISTICS, "train.num_epochs = 2")
    road.call("train", run.config)
    start = f"train.init_from = '{run.latest_model}'"
    still = (
        "torch.optim.SGD.lr = 0.0",
        "train.optimizer = @torch.optim.SGD",
        "train.handlers = []",
    )
    again = instantiate(*EMA, *NO_STATISTICS, "train.num_epochs = 1", start, *still)[-1]
    road.call("train", again.config)
    assert state(again)["best"] == pytest.approx(state(run)["history"]["validation/loss"][-1])


def test_no_decay_is_told(instantiate, capsys):
    (run,) = instantiate(*EMA)
    line = told(capsys, "train", run.config, "add_ema.decay = 1.0")
    assert "add_ema.decay = 1.0 must lie between 0 and 1" in line


# the best epochs -----------------------------------------------------------------


def test_the_average_of_the_best_epochs_is_validated_and_can_be_evaluated(instantiate, caplog):
    (run,) = instantiate(*BEST, "train.num_epochs = 4", "torch.optim.Adam.lr = 1e-2")
    average = str(run.average_model.relative_to(run.folder))
    road.call("all", run.config, f"MaskEstimation.model_path = '{average}'")
    losses = state(run)["history"]["validation/loss"]
    best = sorted(sorted(range(1, 5), key=lambda epoch: losses[epoch - 1])[:2])
    kept = sorted(path.name for path in run.best_epochs.iterdir())
    assert kept == [f"epoch{epoch}.model.pth" for epoch in best]
    stored = weights.read(run.average_model)
    assert stored.metadata["weights"] == f"mean of the epochs {best[0]}, {best[1]}"
    parts = [weights.read(run.best_epoch_model(epoch)).tensors for epoch in best]
    for name, one in learned(stored.tensors).items():
        torch.testing.assert_close(one, (parts[0][name] + parts[1][name]) / 2)
    assert f"Its validation loss is {stored.metadata['losses']['loss']:.5g}" in caplog.text
    assert "holds an average: mean of the epochs" in caplog.text
    assert json.loads(run.evaluation.read_text())  # by the averaged model
    assert run.report_card_txt.exists()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_average_of_one_epoch_is_the_best_model(instantiate, num_workers):
    workers = f"train.num_data_workers = {num_workers}"
    (run,) = instantiate(*BEST, "add_average_of_best.num_epochs = 1", workers)
    road.call("train", run.config)
    average, best = weights.read(run.average_model), weights.read(run.best_model)
    assert_same(average.tensors, best.tensors)
    assert average.metadata["losses"]["loss"] == state(run)["best"]


def test_a_killed_training_leaves_the_same_average(instantiate, tmp_path):
    own = tmp_path / "kill.gin"
    handlers = "[@add_average_of_best, @add_kill_switch]"
    own.write_text(f"import tests.support.kill_switch\ntrain.handlers = {handlers}\n")
    bindings = (BEST[1], "train.num_epochs = 3", "torch.optim.Adam.lr = 1e-2")
    instantiate(own, *bindings)
    killed, whole = instantiate(own, *bindings)
    road.call("train", whole.config)
    first = road.spawn("train", "-c", killed.config, KILL_AT="8")
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert not killed.average_model.exists()
    (killed.best_epoch_model(9)).write_text("of an epoch after the checkpoint")
    road.call("resume", killed.config)
    assert_same(state(killed), state(whole))
    assert killed.average_model.read_bytes() == whole.average_model.read_bytes()
    names = [sorted(one.name for one in run.best_epochs.iterdir()) for run in (killed, whole)]
    assert names[0] == names[1]


def test_a_training_killed_before_its_average_makes_it_on_resume(instantiate, caplog):
    (run,) = instantiate(*BEST)
    road.call("train", run.config)
    before = run.average_model.read_bytes()
    run.average_model.unlink()
    road.call("resume", run.config)
    assert run.average_model.read_bytes() == before
    next(run.best_epochs.iterdir()).unlink()
    road.call("resume", run.config)
    assert run.average_model.read_bytes() == before
    assert "is gone, so" in caplog.text


def test_an_average_of_no_epochs_is_told(instantiate, capsys):
    (run,) = instantiate(*BEST)
    line = told(capsys, "train", run.config, "add_average_of_best.num_epochs = 0")
    assert "add_average_of_best.num_epochs = 0 must be at least 1" in line
