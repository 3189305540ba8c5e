"""Every optimizer and learning rate scheduler of torch by its name, and those of nussl's names that are not."""

import inspect

import pytest
import torch
from torch.optim import lr_scheduler

from audition.datasets import loaders
from audition.registry import EXTERNAL
from tests.support import road
from tests.support.training import assert_same, state, told

ITSELF = {"Optimizer", "LRScheduler", "_LRScheduler"}
BY_A_FUNCTION = {"SequentialLR", "ChainedScheduler"}  # in handlers/schedule.py
UNFIT = {"LBFGS", "SparseAdam", "Muon"}
QUICK = ("train.num_epochs = 2", "train.handlers = [@add_lr_scheduler_handler]")


def classes_of(module, base):
    found = {n for n, c in vars(module).items() if inspect.isclass(c) and issubclass(c, base)}
    return found - ITSELF


def test_the_table_names_all_that_torch_has():
    assert set(EXTERNAL["torch.optim"]) == classes_of(torch.optim, torch.optim.Optimizer)
    schedulers = classes_of(lr_scheduler, lr_scheduler.LRScheduler)
    assert set(EXTERNAL["torch.optim.lr_scheduler"]) == schedulers - BY_A_FUNCTION


@pytest.mark.parametrize("name", sorted(set(EXTERNAL["torch.optim"]) - UNFIT - {"Adam"}))
def test_a_network_is_trained_by(instantiate, name):
    bindings = [
        f"train.optimizer = @torch.optim.{name}",
        "add_lr_scheduler_handler.scheduler = None",
    ]
    (run,) = instantiate("train.num_epochs = 1", "train.handlers = []", *bindings)
    road.call("train", run.config)
    assert state(run)["optimizer_class"] == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("LBFGS", "computes the loss several times a step"),
        ("SparseAdam", "takes sparse gradients only"),
        ("Muon", "only supports 2D parameters"),
    ],
)
def test_an_optimizer_that_can_not_train_these_networks_is_told(instantiate, capsys, name, reason):
    (run,) = instantiate(f"train.optimizer = @torch.optim.{name}", "train.handlers = []")
    assert reason in told(capsys, "train", run.config)


@pytest.mark.parametrize(
    ("bindings", "rates"),
    [
        (
            (
                "add_lr_scheduler_handler.scheduler = @torch.optim.lr_scheduler.SequentialLR",
                "SequentialLR.schedulers = [@ConstantLR, @ExponentialLR]",
                "SequentialLR.milestones = [1]",
                "ConstantLR.factor = 0.5",
                "ExponentialLR.gamma = 0.1",
            ),
            (1e-3, 1e-4),
        ),
        (
            (
                "add_lr_scheduler_handler.scheduler = @torch.optim.lr_scheduler.ChainedScheduler",
                "ChainedScheduler.schedulers = [@ExponentialLR, @StepLR]",
                "ExponentialLR.gamma = 0.1",
                "StepLR.step_size = 1",
                "StepLR.gamma = 0.5",
            ),
            (5e-5, 2.5e-6),
        ),
    ],
)
def test_schedulers_of_schedulers_survive_a_restart(instantiate, bindings, rates):
    sgd = ("train.optimizer = @torch.optim.SGD", "torch.optim.SGD.lr = 1e-3")
    (whole,) = instantiate(*QUICK, *sgd, *bindings)
    (stopped,) = instantiate(*QUICK, *sgd, *bindings, "train.num_epochs = 1")[1:]
    road.call("train", whole.config)
    road.call("train", stopped.config)
    assert state(stopped)["optimizer"]["param_groups"][0]["lr"] == pytest.approx(rates[0])
    road.call("resume", stopped.config, "train.num_epochs = 2")
    assert state(stopped)["optimizer"]["param_groups"][0]["lr"] == pytest.approx(rates[1])
    assert_same(state(whole)["kept"], state(stopped)["kept"])


@pytest.mark.parametrize(
    ("binding", "remedy"),
    [
        ("evaluate.metrics = [@nussl.evaluation.BSSEvalScale()]", "= [@BSSEvalScale()]"),
        ("train.handlers = [@TrainClosure]", "bind train.loss_dictionary; train makes the steps"),
        ("WHAM.transform = @nussl.datasets.transforms.Cache()", "run main.py cache"),
    ],
)
def test_a_name_of_nussl_that_means_nothing_here_is_told_with_what_takes_its_place(
    capsys, binding, remedy
):
    assert remedy in told(capsys, "instantiate", *road.RECIPE, binding)


def test_no_more_data_workers_than_cores(monkeypatch):
    monkeypatch.setattr(loaders.os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    assert [loaders.at_most_one_per_core(asked) for asked in (0, 1, 2, 64)] == [0, 1, 2, 2]
