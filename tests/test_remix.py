"""RemixStems: what an iteration draws, what stays as it is, and that training resumes exactly."""

import numpy as np
import pytest
import torch

from audition.errors import ConfigError
from audition.mixing.remix import RemixStems
from audition.training.step import Forward
from tests.support import road

BINDINGS = [
    "train.remix = @RemixStems()",
    "RemixStems.incoherent_fraction = 0.5",
    "RemixStems.min_gain_db = -10",
    "RemixStems.max_gain_db = 0",
    "RemixStems.seed = 0",
]


def remix(fraction=0.5, low=-10.0, high=0.0, seed=0):
    return RemixStems(fraction, low, high, seed)


@pytest.fixture
def waveforms():
    """Six examples of three sources, and a noise in each mix that is no source."""
    generator = torch.Generator().manual_seed(0)
    sources = torch.randn(6, 3, 2, 100, generator=generator)
    noise = torch.randn(6, 2, 100, generator=generator)
    return {"mix": sources.sum(dim=1) + noise, "sources": sources}


def sources_of(waveforms, remixed):
    """Which example each source came from and its gain, both `(batch, source)`."""
    old, new = waveforms["sources"].double(), remixed["sources"].double()
    products = torch.einsum("bsct,nsct->bsn", new, old)
    gains = products / torch.einsum("nsct,nsct->sn", old, old)
    examples = products.abs().argmax(dim=-1)
    return examples, gains.gather(-1, examples[..., None])[..., 0]


def test_an_iteration_draws_by_seed_and_number_only(waveforms):
    first = remix()(waveforms, 7)
    torch.manual_seed(5)
    np.random.seed(5)
    again = remix()(waveforms, 7)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for other in (remix()(waveforms, 8), remix(seed=1)(waveforms, 7)):
        assert not torch.equal(first["sources"], other["sources"])


def test_the_global_generators_and_the_batch_stay_as_they_are(waveforms):
    before = {name: value.clone() for name, value in waveforms.items()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    remix()(waveforms, 0)
    assert all(torch.equal(waveforms[name], before[name]) for name in before)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])


def test_the_mix_follows_its_sources_and_keeps_what_is_no_source(waveforms):
    remixed = remix()(waveforms, 3)
    noise = waveforms["mix"] - waveforms["sources"].sum(dim=1)
    torch.testing.assert_close(remixed["mix"], remixed["sources"].sum(dim=1) + noise)


def test_coherent_examples_keep_their_sources_at_gains_within_the_range(waveforms):
    examples, gains = sources_of(waveforms, remix(0.0, -10, -2)(waveforms, 1))
    assert torch.equal(examples, torch.arange(6)[:, None].expand(6, 3))
    gains_db = 20 * gains.log10()
    assert gains_db.min() >= -10.01 and gains_db.max() <= -1.99 and gains_db.std() > 1


def test_incoherent_examples_have_no_two_sources_of_one_example(waveforms):
    for iteration in range(10):
        examples, _ = sources_of(waveforms, remix(1.0)(waveforms, iteration))
        assert all(len(set(row)) == 3 for row in examples.tolist())
        assert all(sorted(column) == list(range(6)) for column in examples.T.tolist())


def test_the_incoherent_fraction_is_what_was_asked_for():
    draws = [remix(0.25).draw(20, 2, iteration)[0] for iteration in range(100)]
    share = np.mean([draw[:, 0] != draw[:, 1] for draw in draws])
    assert 0.22 < share < 0.28


def test_a_batch_smaller_than_its_sources(waveforms):
    one = {name: value[:1] for name, value in waveforms.items()}
    examples, _ = sources_of(one, remix(1.0)(one, 0))
    assert examples.tolist() == [[0, 0, 0]]


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_makes_the_same(waveforms, device):
    there = remix()({name: value.to(device) for name, value in waveforms.items()}, 4)
    for name, value in remix()(waveforms, 4).items():
        torch.testing.assert_close(there[name].cpu(), value)


def test_mistakes_are_told():
    with pytest.raises(ConfigError, match=r"RemixStems\.incoherent_fraction = 1\.5 must be from 0"):
        remix(1.5)
    with pytest.raises(ConfigError, match="min_gain_db = 3 is above max_gain_db = 0.0: swap"):
        remix(low=3)


def state(run):
    return torch.load(run.checkpoints / "latest.pth", weights_only=True)


def same_weights(one, other):
    return all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])


def test_only_training_is_remixed(waveforms):
    forward = Forward(lambda data: {}, lambda data: data, torch.device("cpu"), None, remix())
    batch = {**waveforms, "index": torch.arange(6)}
    _, data = forward(forward.on_device(batch))
    assert all(torch.equal(data[name], waveforms[name]) for name in waveforms)
    ((_, remixed),) = forward.parts(batch, 5, 1)
    _, data = forward(remixed)
    assert torch.equal(data["sources"], remix()(waveforms, 5)["sources"])


def test_training_resumes_bit_for_bit(instantiate):
    stopped, whole, plain = (instantiate(*BINDINGS, "train.num_epochs = 2")[-1] for _ in range(3))
    road.call("train", whole.config)
    road.call("train", stopped.config, "train.num_epochs = 1")
    road.call("resume", stopped.config)
    assert same_weights(state(stopped), state(whole))
    assert state(stopped)["history"] == state(whole)["history"]
    road.call("train", plain.config, "train.remix = None")
    assert not same_weights(state(plain), state(whole))
