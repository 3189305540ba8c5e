"""Activations that are computed again: the same numbers, from less memory."""

import copy

import pytest
import torch
from torch import nn

from audition import models
from audition.models import waveform_network
from audition.training.recomputing import outermost_blocks, recompute_blocks
from audition.training.step import precision
from tests.support import road
from tests.support.training import QUICK, assert_same, state, told

GRID = {
    **{"num_sources": 2, "window_length": 32, "hop_length": 16, "channels": 4, "num_blocks": 2},
    **{"neighbours": 2, "stride": 2, "hidden_size": 4, "num_heads": 2, "query_size": 17},
}
BINDINGS = (
    *QUICK,
    "train.model_config = None",
    "train.model = @TFGridNet()",
    *(f"TFGridNet.{name} = {value}" for name, value in GRID.items()),
    "train.features = @WaveformFeatures()",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.1",
    "train.loss_dictionary = {'PermutationInvariantLoss': {'args': ['SISDRLoss']}}",
    "sweep.parameters = {'train.recompute_blocks': [False, True]}",
)


@waveform_network
class NormalizedBlocks(nn.Module):
    """A network whose blocks count what they hear."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.BatchNorm1d(1)])

    def forward(self, mix):
        return self.blocks[0](mix).unsqueeze(1)


def saved_bytes(network, mix):
    """Of the activations that the way back needs; `(bytes, gradients)`."""
    sizes = []

    def note(tensor):
        sizes.append(tensor.nbytes)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = network(mix).square().mean()
    kept = sum(sizes)
    loss.backward()
    return kept, {name: one.grad for name, one in network.named_parameters()}


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_gradients_are_the_same_from_less_memory(dtype):
    network = models.TFGridNet(**GRID)
    other = copy.deepcopy(network)
    recompute_blocks(other)
    mix = torch.randn(1, 1, 400)
    with precision(mix.device, dtype):
        kept, gradients = saved_bytes(network, mix)
    with precision(mix.device, dtype):
        fewer, again = saved_bytes(other, mix)
    assert fewer < kept / 2
    assert_same(again, gradients)


def test_dropout_draws_the_same():
    network = models.SepFormer(
        num_filters=8,
        bottleneck_channels=8,
        feed_forward_size=8,
        num_layers=1,
        num_heads=2,
        dropout=0.5,
        chunk_size=8,
    )
    other = copy.deepcopy(network)
    recompute_blocks(other)
    mix = torch.randn(1, 1, 400)
    results = []
    for one in (network, other):
        torch.manual_seed(3)
        results.append(saved_bytes(one, mix)[1])
    assert_same(*results)


def test_a_copy_computes_with_its_own_weights():
    network = models.TFGridNet(**GRID)
    recompute_blocks(network)
    other, mix = copy.deepcopy(network), torch.randn(1, 1, 400)
    before = other(mix)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    torch.testing.assert_close(other(mix), before)
    assert list(other.state_dict()) == list(models.TFGridNet(**GRID).state_dict())


@pytest.mark.parametrize("name", ["ConvTasNet", "SuDoRMRF", "DPRNNTasNet", "BSRNN", "BSRoFormer"])
def test_networks_keep_their_repeated_layers_in_blocks(name):
    with torch.device("meta"):
        assert len(outermost_blocks(getattr(models, name)(num_sources=2))) > 1


def test_a_training_learns_the_same(instantiate):
    plain, recomputed = instantiate(*BINDINGS)
    for run in (plain, recomputed):
        road.call("train", run.config)
    assert state(recomputed)["history"] == state(plain)["history"]
    assert_same(state(recomputed)["model"], state(plain)["model"])


def test_a_network_without_blocks_is_told(instantiate, capsys):
    (run,) = instantiate(*QUICK)
    line = told(capsys, "train", run.config, "train.recompute_blocks = True")
    assert "train.recompute_blocks = True, but the network has no `blocks`; keep its" in line


def test_blocks_that_count_what_they_hear_are_told(instantiate, capsys):
    run = instantiate(*BINDINGS)[1]
    line = told(capsys, "train", run.config, "train.model = @NormalizedBlocks()")
    assert "but BatchNorm1d has batch normalisation, which would count each batch twice" in line
