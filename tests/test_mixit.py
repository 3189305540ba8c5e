"""Mixtures of mixtures: what a batch becomes, consistent estimates, and a training on them."""

import numpy as np
import pytest
import torch
from torch import nn

from audition.errors import ConfigError
from audition.mixing.remix import MixturesOfMixtures
from audition.models import ConvTasNet, MixtureConsistency, MixtureConsistent
from audition.models.waveform import WaveformNetwork, config_of
from tests.support import road
from tests.support.training import assert_same, state, told

RECIPE = (
    "toy/exp/mixit.gin",
    "train.model_config = None",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.5",
    "train.handlers = []",
    "train.epoch_length = 2",
    "train.batch_size = 4",
    "ConvTasNet.num_blocks = 2",
    "ConvTasNet.num_filters = 16",
)


@pytest.fixture
def waveforms():
    generator = torch.Generator().manual_seed(0)
    sources = torch.randn(5, 2, 1, 100, generator=generator)
    return {"mix": sources.sum(1) + 0.1, "sources": sources}


def test_each_mixture_is_added_to_another_one(waveforms):
    for iteration in range(20):
        others = MixturesOfMixtures(0).draw(5, iteration)
        assert sorted(others) == list(range(5)) and (others != np.arange(5)).all()
    made = MixturesOfMixtures(0)(waveforms, 3)
    others = MixturesOfMixtures(0).draw(5, 3)
    assert torch.equal(made["mixtures"][:, 0], waveforms["mix"])
    assert torch.equal(made["mixtures"][:, 1], waveforms["mix"][others])
    assert torch.equal(made["mix"], made["mixtures"].sum(1))
    assert torch.equal(made["sources"][:, 2:], waveforms["sources"][others])
    assert waveforms["sources"].shape[1] == 2


def test_the_pairs_depend_on_seed_and_iteration(waveforms):
    draws = [MixturesOfMixtures(seed).draw(8, at).tolist() for seed, at in ((0, 1), (0, 2), (1, 1))]
    assert draws[0] == MixturesOfMixtures(0).draw(8, 1).tolist()
    assert draws[0] != draws[1] and draws[0] != draws[2]


def test_a_batch_of_one_is_told(waveforms):
    one = {name: value[:1] for name, value in waveforms.items()}
    with pytest.raises(
        ConfigError, match="nothing to add in a batch of one: bind a train.batch_size"
    ):
        MixturesOfMixtures(0)(one, 1)


# consistency -----------------------------------------------------------------------


@pytest.mark.parametrize("weighting", ["unit", "power"])
def test_consistent_estimates_add_up_to_the_mixture_as_asteroids(weighting):
    consistency = pytest.importorskip(
        "asteroid.dsp.consistency", reason="needs pip install --no-deps -r requirements-peers.txt"
    )
    estimates, mix = torch.randn(2, 3, 2, 50), torch.randn(2, 2, 50)
    found = MixtureConsistency(weighting)(estimates, mix)
    weights = torch.ones(2, 3, 1, 1) if weighting == "unit" else None
    expected = consistency.mixture_consistency(mix, estimates, weights)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found.sum(1), mix, atol=1e-5, rtol=1e-5)


def test_silent_estimates_get_the_mixture_in_equal_parts_or_not_at_all():
    mix = torch.randn(1, 1, 50)
    assert MixtureConsistency("power")(torch.zeros(1, 2, 1, 50), mix).isfinite().all()
    torch.testing.assert_close(MixtureConsistency()(torch.zeros(1, 2, 1, 50), mix)[:, 0], mix / 2)


def test_the_config_of_a_wrapped_network_makes_the_same_again():
    network = MixtureConsistent(ConvTasNet(3, 16, num_blocks=1, num_repeats=1), "power")
    described = config_of(network)["modules"]["audio"]["args"]["network"]
    assert described["args"]["network"]["class"] == "ConvTasNet"
    again = WaveformNetwork(described).network
    again.load_state_dict(network.state_dict())
    mix = torch.randn(1, 1, 200)
    torch.testing.assert_close(again(mix), network(mix))


def test_mistakes_of_consistency_are_told():
    with pytest.raises(
        ConfigError, match="weighting = 'loud' of the mixture consistency must be one"
    ):
        MixtureConsistency("loud")
    with pytest.raises(ConfigError, match="@Identity.. can't be saved: decorate its class with"):
        MixtureConsistent(nn.Identity())


# training --------------------------------------------------------------------------


def test_a_training_without_sources_is_scored_and_resumes_exactly(instantiate):
    runs = instantiate(*RECIPE, "sweep.parameters = {'train.num_data_workers': [0, 0]}")
    road.call("train", runs[0].config, "train.num_epochs = 2")
    road.call("train", runs[1].config, "train.num_epochs = 1")
    road.call("resume", runs[1].config, "train.num_epochs = 2")
    assert_same(*map(state, runs))
    assert len(list(runs[1].results.glob("*.json"))) == 4


def test_a_validation_that_would_need_mixtures_is_told(instantiate, capsys):
    (run,) = instantiate(*RECIPE, "train.val_loss_dictionary = None", "train.num_epochs = 1")
    assert "train.val_loss_dictionary needs 'mixtures', which" in told(capsys, "train", run.config)
