"""Switches of how torch computes, what is validated, and where the time goes."""

import gzip
import json

import torch
from torch import nn

from audition.device import full_precision
from audition.losses import loss
from audition.training.numerics import numerics
from tests.support import road
from tests.support.training import QUICK, state, told


@loss
class ScatteringLoss(nn.Module):
    """Uses an operation without a deterministic algorithm."""

    DEFAULT_KEYS = {"mask": "mask"}

    def forward(self, mask):
        places = torch.zeros(2, dtype=torch.long, device=mask.device)
        return mask.clone().put_(places, mask.flatten()[:2]).mean()


def test_switches_hold_during_the_training_alone():
    before = torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()
    with numerics(deterministic=True, cudnn_benchmark=False):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
    with numerics(deterministic=False, cudnn_benchmark=True):
        assert torch.backends.cudnn.benchmark
    after = torch.backends.cudnn.benchmark, torch.are_deterministic_algorithms_enabled()
    assert after == before == (False, False)


def test_matrix_products_are_as_precise_as_bound_during_the_training_alone():
    with numerics(deterministic=False, cudnn_benchmark=False, matmul="high"):
        assert torch.get_float32_matmul_precision() == "high"
        with full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == "highest"


def test_an_unknown_precision_is_told(instantiate, capsys):
    (run,) = instantiate(*QUICK)
    line = told(capsys, "train", run.config, "train.matmul_precision = 'tf32'")
    assert "train.matmul_precision = 'tf32' must be 'highest', 'high' or 'medium'" in line


def test_a_deterministic_training_learns_the_same(instantiate):
    plain, switched = instantiate(*QUICK)[0], instantiate(*QUICK, "train.deterministic = True")[-1]
    for run in (plain, switched):
        road.call("train", run.config)
    assert state(plain)["history"] == state(switched)["history"]


def test_an_operation_that_is_not_deterministic_is_told(instantiate, capsys):
    (run,) = instantiate(*QUICK, "train.deterministic = True")
    scatter = "train.loss_dictionary = {'ScatteringLoss': {}}"
    assert "train.deterministic = True, and put_ has no deterministic algorithm; bind" in told(
        capsys, "train", run.config, scatter
    )
    road.call("train", run.config, scatter, "train.deterministic = False")


# validation ----------------------------------------------------------------------


def test_a_capped_validation_is_that_of_so_many_batches(instantiate):
    lengths = "sweep.parameters = {'train.val_epoch_length': [None, 2, 1]}"
    every, two, one = instantiate(*QUICK, "train.val_batch_size = 2", lengths)
    for run in (every, two, one):
        road.call("train", run.config)
    assert state(two)["history"] == state(every)["history"]  # of 4 items
    assert state(one)["history"]["train/loss"] == state(every)["history"]["train/loss"]
    assert state(one)["best"] != state(every)["best"]


# profiler ------------------------------------------------------------------------

PROFILED = (
    "train.num_epochs = 2",
    "train.handlers = [@add_profiler]",
    "add_profiler.first_iteration = 2",
    "add_profiler.num_iterations = 2",
)


def test_a_trace_holds_the_operations_of_its_iterations(instantiate, caplog):
    (run,) = instantiate(*PROFILED)
    road.call("train", run.config)
    with gzip.open(run.trace, "rt") as file:
        names = [event.get("name", "") for event in json.load(file)["traceEvents"]]
    assert {"ProfilerStep#1", "ProfilerStep#2"} <= set(names)
    assert "ProfilerStep#3" not in names
    assert any(name.startswith("aten::") for name in names)
    assert any("Where the time went" in line and "aten::" in line for line in caplog.messages)


def test_a_profiler_changes_nothing(instantiate):
    plain = instantiate(*QUICK)[0]
    profiled = instantiate(*PROFILED, "train.num_epochs = 1")[-1]
    for run in (plain, profiled):
        road.call("train", run.config)
    assert state(plain)["history"] == state(profiled)["history"]


def test_a_profiler_of_nothing_is_told(instantiate, capsys):
    (run,) = instantiate(*PROFILED)
    line = told(capsys, "train", run.config, "add_profiler.first_iteration = 1")
    assert "add_profiler.first_iteration = 1 must be at least 2" in line
