"""A training that ends after so much time, by a clock that counts one second per iteration."""

import itertools
import os
import signal
import time

import gin
import pytest
from ignite.engine import Events

from audition.handlers import budget
from tests.support import road
from tests.support.training import assert_same, events, state, told

BUDGET = (
    "train.handlers = [@add_time_budget]",
    "train.num_epochs = 100",  # of three iterations
    "add_time_budget.seconds = 5",
    "add_time_budget.decay_share = 0.4",
)


@pytest.fixture
def clock(monkeypatch):
    """Each look at the processor's time takes a second."""
    ticks = itertools.count()
    monkeypatch.setattr(budget.time, "process_time", lambda: float(next(ticks)))


def test_a_budget_ends_within_an_epoch_which_is_validated(clock, instantiate, caplog):
    (run,) = instantiate(*BUDGET)
    road.call("train", run.config)
    reached = state(run)
    assert (reached["iteration"], reached["stopped"]) == (5, True)
    losses = [one.value for one in events(run).Scalars("iteration/loss")]
    means = [sum(losses[:3]) / 3, sum(losses[3:]) / 2]
    assert reached["history"]["train/loss"] == pytest.approx(means, rel=1e-5)
    assert len(reached["history"]["validation/loss"]) == 2
    assert reached["best"] == min(reached["history"]["validation/loss"])
    assert "5.0 s of add_time_budget.seconds = 5 are spent, after 5 iterations." in caplog.text
    spent = [one.value for one in events(run).Scalars("seconds_spent")]
    assert spent == [1, 2, 3, 4, 5]


def test_the_rate_is_constant_and_then_falls_to_zero(clock, instantiate):
    (run,) = instantiate(*BUDGET, "add_time_budget.seconds = 9", "train.epoch_length = 1")
    road.call("train", run.config)
    after = [one.value for one in events(run).Scalars("learning_rate")]  # of the next iteration
    shares = [1, 1, 1, 1, 1, 1 / 1.2, 2 / 3.6, 1 / 3.6, 0]
    assert after == pytest.approx([1e-3 * one for one in shares], rel=1e-6, abs=1e-12)


def test_a_share_of_none_leaves_the_rate_to_a_schedule(clock, instantiate, capsys):
    handlers = "train.handlers = [@add_time_budget, @add_lr_scheduler_handler]"
    (run,) = instantiate(*BUDGET, handlers)
    line = told(capsys, "train", run.config)
    assert "add_time_budget and add_lr_scheduler_handler both set the learning rate: take" in line
    road.call("train", run.config, "add_time_budget.decay_share = 0")
    assert state(run)["iteration"] == 5


def test_what_is_spent_survives_a_restart(clock, instantiate):
    instantiate(*BUDGET, "train.save_every_iterations = 1")
    parted, whole = instantiate(*BUDGET, "train.save_every_iterations = 1")
    road.call("train", whole.config)
    road.call("train", parted.config, "train.num_epochs = 1")
    assert state(parted)["kept"]["time_budget"] == {"spent": 3.0}
    road.call("resume", parted.config)
    assert_same(state(parted), state(whole))
    before = parted.latest.read_bytes()
    road.call("resume", parted.config)
    assert parted.latest.read_bytes() == before


@gin.register
def add_signal_in_second_validation(training):
    def send(engine):
        if training.trainer.state.epoch == 2 and "INTERRUPT" in os.environ:
            os.kill(os.getpid(), signal.SIGTERM)

    training.validator.add_event_handler(Events.ITERATION_STARTED, send)


def test_a_last_validation_that_is_interrupted_is_done_on_resume(clock, instantiate, monkeypatch):
    handlers = "train.handlers = [@add_time_budget, @add_signal_in_second_validation]"
    instantiate(*BUDGET, handlers)
    parted, whole = instantiate(*BUDGET, handlers)
    road.call("train", whole.config)
    monkeypatch.setenv("INTERRUPT", "yes")
    assert road.call("train", parted.config, check=False) == 75
    assert len(state(parted)["history"]["validation/loss"]) == 1
    monkeypatch.delenv("INTERRUPT")
    road.call("resume", parted.config)
    assert_same(state(parted), state(whole))


def test_a_budget_that_epochs_cut_short_is_told(clock, instantiate, caplog):
    (run,) = instantiate(*BUDGET, "train.num_epochs = 1")
    road.call("train", run.config)
    (record,) = [one for one in caplog.records if "are spent, after 3" in one.message]
    assert record.levelname == "WARNING"


def test_processor_time_ends_a_training(instantiate):
    """That of this machine: a second is more than some of these iterations take, and less than all."""
    (run,) = instantiate(*BUDGET, "add_time_budget.seconds = 0.5")
    before = time.process_time()
    road.call("train", run.config)
    spent = state(run)["kept"]["time_budget"]["spent"]
    assert 0.5 <= spent <= time.process_time() - before
    assert 1 <= state(run)["iteration"] < 300


@pytest.mark.parametrize("binding", ["seconds = 0", "decay_share = 1.5"])
def test_a_budget_out_of_range_is_told(instantiate, capsys, binding):
    (run,) = instantiate(*BUDGET)
    line = told(capsys, "train", run.config, f"add_time_budget.{binding}")
    assert f"add_time_budget.seconds = {0 if 'seconds' in binding else 5} must be above 0" in line
