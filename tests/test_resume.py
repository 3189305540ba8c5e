"""Killed and resumed is the same as never killed, bit for bit."""

import random
import signal

import pytest
import torch

from audition.files import read_json
from tests.support import road
from tests.support.training import assert_same, events, state


def sweep_with_kill_switch(folder, num_workers, *bindings):
    """A .gin file that adds the switch to the tiny experiment's handlers."""
    path = folder / "kill.gin"
    handlers = (road.ROOT / "tests/exp/tiny.gin").read_text().split("train.handlers = [")[1]
    listed = handlers.split("]")[0]
    path.write_text(
        "import tests.support.kill_switch\n"
        f"train.handlers = [{listed}    @add_kill_switch,\n]\n"
        f"train.num_data_workers = {num_workers}\n" + "\n".join(bindings)
    )
    return path


@pytest.mark.parametrize("num_workers", [0, 2])
def test_kill_and_resume_equals_an_uninterrupted_run(instantiate, tmp_path, num_workers):
    moment = random.SystemRandom().randint(1, 8)  # of 9 iterations
    print(f"killed before iteration {moment}")  # pytest shows it where the test fails
    config = sweep_with_kill_switch(tmp_path, num_workers)
    instantiate(config)
    killed, whole = instantiate(config)
    road.call("train", whole.config)
    first = road.spawn("train", "-c", killed.config, KILL_AT=str(moment))
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert (killed.checkpoints / "latest.pth").exists() == (moment > 3)
    road.call("resume", killed.config)
    assert_same(state(killed), state(whole))
    assert read_json(killed.folder / "progress.json")["epoch"] == 3
    assert killed.report_card_txt.exists()
    assert killed.best_model.read_bytes() == whole.best_model.read_bytes()


@pytest.mark.parametrize("parts", [1, 2])
def test_a_checkpoint_within_an_epoch_resumes_exactly(instantiate, tmp_path, parts):
    config = sweep_with_kill_switch(
        tmp_path,
        0,
        "train.save_every_iterations = 1",
        f"train.batch_size = {4 // parts}",
        f"train.accumulate_batches = {parts}",
    )
    instantiate(config)
    killed, whole = instantiate(config)
    road.call("train", whole.config)
    road.spawn("train", "-c", killed.config, KILL_AT="6")
    assert state(killed)["iteration"] == 5
    road.call("resume", killed.config)
    assert_same(state(killed), state(whole))


def test_resume_keeps_the_best_epoch_and_its_score(instantiate):
    (run,) = instantiate("train.num_epochs = 1")
    road.call("train", run.config)
    before = state(run)
    still = ("torch.optim.Adam.lr = 0.0", "resume.allow = ['train.num_epochs', 'Adam.lr']")
    road.call("resume", run.config, "train.num_epochs = 2", *still)
    assert state(run)["best"] <= before["best"]
    assert state(run)["history"]["train/loss"][:1] == before["history"]["train/loss"]
    assert len(state(run)["history"]["validation/loss"]) == 2


def test_a_checkpoint_of_version_01_on_fewer_items_is_told(instantiate, capsys):
    """It doesn't say on which items it was written; what its handler kept has their number."""
    (run,) = instantiate("train.num_epochs = 1", "train.epoch_length = 2")
    road.call("train", run.config)
    content = state(run)
    del content["items"]
    content["kept"]["item_losses"] = {"table": torch.zeros(12, 3)}
    torch.save(content, run.latest)
    fewer = ("train/build_dataset.filters = [@NamedLike()]", "NamedLike.patterns = '*-0000[0-4]_*'")
    assert road.call("resume", run.config, *fewer, "train.num_epochs = 2", check=False) == 2
    assert (
        "doesn't fit handler item_losses (it holds 12 items, and train.train_data has 5); use"
        in capsys.readouterr().err.splitlines()[-1]
    )
    road.call("resume", run.config, "train.num_epochs = 2")


TOGETHER = """
import tests.support.kill_switch
train.handlers = [
    @add_autoclip_gradient_handler,
    @add_lr_scheduler_handler,
    @add_sinkpit_schedule,
    @add_ema,
    @add_average_of_best,
    @add_kill_switch,
]
add_lr_scheduler_handler.scheduler = @torch.optim.lr_scheduler.OneCycleLR
add_lr_scheduler_handler.per = 'iteration'
torch.optim.lr_scheduler.OneCycleLR.max_lr = 1e-2
torch.optim.lr_scheduler.OneCycleLR.total_steps = 12
add_sinkpit_schedule.factor = 1.5
add_average_of_best.num_epochs = 2
train.loss_dictionary = {
    'WhitenedKMeansLoss': {'weight': 1.0},
    'SinkPITLoss': {'weight': 1.0, 'args': ['L1Loss']},
}
train.batch_size = 2
train.accumulate_batches = 2
train.num_epochs = 4                   # of three iterations
train.curriculum = {1: {'excerpt_frames': 20}, 3: {'excerpt_frames': 40}}
train.save_every_iterations = 2
"""


def test_all_that_a_training_keeps_survives_two_kills(instantiate, tmp_path):
    """Averages, gradients of parts, a rate per iteration, SinkPIT's temperature, a curriculum."""
    first, second = sorted(random.SystemRandom().sample(range(2, 13), 2))
    print(f"killed before iterations {first} and {second}")
    together = tmp_path / "together.gin"
    together.write_text(TOGETHER)
    instantiate(together)
    killed, whole = instantiate(together)
    road.call("train", whole.config)
    for command, moment in (("train", first), ("resume", second)):
        done = road.spawn(command, "-c", killed.config, KILL_AT=str(moment))
        assert done.returncode == -signal.SIGKILL, done.stderr
    road.call("resume", killed.config)
    assert_same(state(killed), state(whole))
    assert set(state(whole)["kept"]) == {"autoclip", "best_epochs", "ema", "lr_scheduler"}
    for path in ("best_model", "latest_model", "average_model"):
        assert getattr(killed, path).read_bytes() == getattr(whole, path).read_bytes()
    betas, rates = (logged(whole, name) for name in ("sinkpit_beta", "iteration/learning_rate"))
    assert betas == pytest.approx([1.5**epoch for epoch in range(4) for _ in range(3)])
    assert len(set(rates)) == 12


def logged(run, name):
    return [event.value for event in events(run).Scalars(name)]
