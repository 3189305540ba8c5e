"""A step of one's own, as docs/adding.md has it: a network against a critic, each with its optimizer."""

import signal

import pytest
import torch

from tests.support import documents, road
from tests.support.training import assert_same, events, state, told

(OWN,) = [one for one in documents.snippets(documents.read("docs/adding.md")) if one.noun == "step"]


@pytest.fixture
def own_gin(tmp_path, monkeypatch):
    """Path of the document's .gin, beside its module, with a handler that kills."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_step.py").write_text(OWN.code)
    own = tmp_path / "own.gin"
    kill = "import tests.support.kill_switch\ntrain.handlers = [@add_kill_switch]\n"
    own.write_text(f"{OWN.gin}{kill}train.save_every_iterations = 1\n")
    return own


def test_two_optimizers_resume_bit_for_bit(instantiate, own_gin):
    instantiate(own_gin)
    killed, whole = instantiate(own_gin)
    road.call("train", whole.config)
    first = road.spawn("train", "-c", killed.config, KILL_AT="6")
    assert first.returncode == -signal.SIGKILL, first.stderr
    road.call("resume", killed.config)
    assert_same(state(killed), state(whole))
    kept = state(whole)["kept"]
    assert kept["critic_optimizer"]["param_groups"][0]["lr"] == 1e-4
    assert state(whole)["optimizer"]["param_groups"][0]["lr"] == 1e-3
    assert kept["critic_optimizer"]["state"][0]["step"] == 9
    assert killed.report_card_txt.exists()


def test_a_critic_learns_and_is_logged(instantiate, own_gin):
    (run,) = instantiate(own_gin, "critic/torch.optim.Adam.lr = 0.1", "torch.optim.Adam.lr = 0.0")
    road.call("train", run.config, "train.num_epochs = 8")
    doubt = state(run)["history"]["train/critic"]
    assert doubt[-1] < doubt[0]
    total, own, fooled = (
        torch.tensor([one.value for one in events(run).Scalars(f"iteration/{name}")])
        for name in ("loss", "PermutationInvariantLoss", "seen_through")
    )
    torch.testing.assert_close(total, own + 0.01 * fooled)


def test_parts_of_a_batch_go_through_an_own_step(instantiate, own_gin):
    (run,) = instantiate(own_gin, "train.batch_size = 2", "train.accumulate_batches = 2")
    road.call("train", run.config, "train.num_epochs = 1")
    assert state(run)["iteration"] == 3
    assert state(run)["kept"]["critic_optimizer"]["state"][0]["step"] == 6  # one for each part


def test_another_step_is_no_resume(instantiate, own_gin, capsys):
    (run,) = instantiate(own_gin)
    road.call("train", run.config, "train.num_epochs = 1")
    line = told(capsys, "resume", run.config, "AdversarialStep.weight = 0.5")
    assert "AdversarialStep.weight (for train.step) is 0.01 in the checkpoint and 0.5 now" in line
    line = told(capsys, "resume", run.config, "train.step = None")
    assert "train.step is @AdversarialStep() in the checkpoint and None now" in line


def test_what_is_no_step_is_told(instantiate, own_gin, capsys):
    (run,) = instantiate(own_gin)
    line = told(capsys, "train", run.config, "train.step = 3")
    assert "train.step = 3 is no step: bind an instance of a subclass of audition.training" in line


def test_replay_leaves_an_own_step_alone(instantiate, own_gin, capsys):
    (run,) = instantiate(own_gin, "critic/torch.optim.Adam.lr = 1e30")
    assert "became" in told(capsys, "train", run.config)
    line = told(capsys, "replay", run.config)
    assert "replay does the step that train does by itself, and not train.step = @Adversar" in line
