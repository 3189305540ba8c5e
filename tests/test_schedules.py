"""Learning rates per iteration, and what each schedule gives."""

import functools

import pytest
import torch

from audition.errors import ConfigError
from audition.handlers.schedule import noam, warmup_cosine
from tests.support import road
from tests.support.training import assert_same, events, state, told

ONE_CYCLE = (
    "add_lr_scheduler_handler.scheduler = @torch.optim.lr_scheduler.OneCycleLR",
    "OneCycleLR.max_lr = 1e-2",
    "OneCycleLR.total_steps = 9",
)
NOAM = ("add_lr_scheduler_handler.scheduler = @NoamLR", "NoamLR.warmup_steps = 4")
COSINE = (
    "add_lr_scheduler_handler.scheduler = @WarmupCosineLR",
    "WarmupCosineLR.warmup_steps = 2",
    "WarmupCosineLR.total_steps = 9",
)
SCHEDULED = (
    "train.handlers = [@add_lr_scheduler_handler]",
    "add_lr_scheduler_handler.per = 'iteration'",
)


def rates(make, num_steps):
    """The rates of `num_steps` steps, relative to the optimizer's."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler, found = make(optimizer), []
    for _ in range(num_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_noam_rises_to_its_peak_and_falls_with_the_root():
    found = rates(functools.partial(noam, warmup_steps=4), 16)
    espnet = [4**0.5 * min(step**-0.5, step * 4**-1.5) for step in range(1, 17)]
    assert found == pytest.approx(espnet)
    assert (max(found), found.index(max(found))) == (1.0, 3)


def test_cosine_rises_to_its_peak_and_stays_at_its_end():
    found = rates(
        functools.partial(warmup_cosine, warmup_steps=2, total_steps=6, final_factor=0.1), 9
    )
    assert found == pytest.approx([0.5, 1.0, 1.0, 0.868198, 0.55, 0.231802, 0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (functools.partial(noam, warmup_steps=0), "NoamLR.warmup_steps = 0 must be at least 1"),
        (
            functools.partial(warmup_cosine, warmup_steps=0, total_steps=3),
            "WarmupCosineLR.warmup_steps = 0 must be at least 1",
        ),
        (
            functools.partial(warmup_cosine, warmup_steps=3, total_steps=3),
            "WarmupCosineLR.total_steps = 3 must be more than warmup_steps = 3",
        ),
    ],
)
def test_steps_that_make_no_schedule_are_told(make, sentence):
    with pytest.raises(ConfigError, match=sentence):
        rates(make, 1)


@pytest.mark.parametrize("schedule", [ONE_CYCLE, NOAM, COSINE], ids=["one cycle", "noam", "cosine"])
def test_a_rate_per_iteration_resumes_bit_for_bit(instantiate, schedule):
    instantiate(*SCHEDULED, *schedule)
    parted, whole = instantiate(*SCHEDULED, *schedule)
    road.call("train", whole.config)
    logged = [one.value for one in events(whole).Scalars("iteration/learning_rate")]
    assert len(set(logged)) > 5
    road.call("train", parted.config, "train.num_epochs = 1")
    road.call("resume", parted.config)
    assert_same(state(parted), state(whole))


def test_a_longer_schedule_goes_on_where_the_shorter_was(instantiate):
    (run,) = instantiate(*SCHEDULED, *COSINE)
    road.call("train", run.config)
    assert state(run)["optimizer"]["param_groups"][0]["lr"] == 0
    road.call("resume", run.config, "train.num_epochs = 4", "WarmupCosineLR.total_steps = 16")
    expected = 1e-3 * warmup_cosine_at(12, 2, 16)
    assert state(run)["optimizer"]["param_groups"][0]["lr"] == pytest.approx(expected)


def warmup_cosine_at(step, warmup_steps, total_steps):
    settings = {"warmup_steps": warmup_steps, "total_steps": total_steps}
    return rates(functools.partial(warmup_cosine, **settings), step + 1)[-1]


@pytest.mark.parametrize(
    ("bindings", "sentence"),
    [
        (("add_lr_scheduler_handler.per = 'step'",), "per = 'step' must be 'epoch' or 'iteration'"),
        (
            ("add_lr_scheduler_handler.scheduler = @ReduceLROnPlateau",),
            "ReduceLROnPlateau waits for the validation: bind add_lr_scheduler_handler.per = 'epoch'",
        ),
        (("OneCycleLR.total_steps = 2",), "scheduler is at its end in iteration 3, and the"),
        (("OneCycleLR.total_steps = 0",), "can't be built (Expected positive integer total_steps"),
    ],
)
def test_a_schedule_that_cannot_be_is_told(instantiate, capsys, bindings, sentence):
    (run,) = instantiate(*SCHEDULED, *ONE_CYCLE)
    assert sentence in told(capsys, "train", run.config, *bindings)
