"""The temperature of SinkPITLoss: it follows its schedule, through kills, validations and replays."""

import random
import signal

import pytest
import torch

from audition.losses import Losses
from tests.support import road
from tests.support.training import assert_same, events, state, told

SOFT = (
    "import tests.support.kill_switch\nimport tests.support.poison\n"
    "train.loss_dictionary = {'SinkPITLoss': {'args': ['L1Loss'], 'kwargs': {'num_iterations': 20}}}\n"
    "train.handlers = [@add_sinkpit_schedule, @add_kill_switch]\n"
    "add_sinkpit_schedule.start = 2.0\n"
    "add_sinkpit_schedule.factor = 10.0\n"
    "add_sinkpit_schedule.most = 50.0\n"
    "train.save_every_iterations = 1\n"
)


@pytest.fixture
def soft(tmp_path):
    path = tmp_path / "soft.gin"
    path.write_text(SOFT)
    return path


def test_a_killed_training_goes_on_with_the_same_temperature(instantiate, soft):
    moment = random.SystemRandom().randint(2, 9)  # of 9 iterations
    print(f"killed before iteration {moment}")  # pytest shows it where the test fails
    instantiate(soft)
    killed, whole = instantiate(soft)
    road.call("train", whole.config)
    first = road.spawn("train", "-c", killed.config, KILL_AT=str(moment))
    assert first.returncode == -signal.SIGKILL, first.stderr
    road.call("resume", killed.config)
    assert_same(state(killed), state(whole))
    betas = [one.value for one in events(whole).Scalars("sinkpit_beta")]
    assert betas == [2.0] * 3 + [20.0] * 3 + [50.0] * 3


def test_a_schedule_without_a_temperature_is_told(instantiate, soft, capsys):
    (run,) = instantiate(soft, "train.loss_dictionary = {'L1Loss': {}}")
    line = told(capsys, "train", run.config)
    assert "add_sinkpit_schedule needs a SinkPITLoss in train.loss_dictionary; add one, or" in line


def test_the_validation_takes_the_best_assignment(instantiate, soft):
    """At a temperature so high that the soft one is nearly the mean over all of them."""
    dictionary = "'PermutationInvariantLoss': {'args': ['L1Loss']}"
    (run,) = instantiate(
        soft,
        "train.num_epochs = 1",
        "add_sinkpit_schedule.start = 1e-3",
        "train.val_loss_dictionary = {'SinkPITLoss': {'args': ['L1Loss']}, " + dictionary + "}",
    )
    road.call("train", run.config)
    history = state(run)["history"]
    assert history["validation/SinkPITLoss"] == pytest.approx(
        history["validation/PermutationInvariantLoss"]
    )
    assert history["train/SinkPITLoss"][0] < -100  # the entropy over beta


def test_a_step_that_is_replayed_has_its_temperature(instantiate, soft, speech, capsys):
    name = sorted((speech / "wav8k/min/tr/mix_clean").glob("*.wav"))[5].stem
    (run,) = instantiate(
        soft,
        "train.val_data = None",
        "train/build_dataset.item_transforms = [@Poisoned()]",
        f"Poisoned.name = '{name}'",
        "train.loss_dictionary = {'SinkPITLoss': {'args': ['L1Loss']}, 'LogLoss': {}}",
    )
    told(capsys, "train", run.config)
    kept = torch.load(run.black_box_weights)["loss_states"]
    assert kept["SinkPITLoss"]["beta"] == 2.0
    losses = Losses({"SinkPITLoss": {"args": ["L1Loss"]}})
    losses.load_state_dict(kept)
    assert losses.modules[0].beta == 2.0
    road.call("replay", run.config)
    assert "layer: LogLoss" in capsys.readouterr().out
