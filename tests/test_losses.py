"""Losses against their formulas, loss dictionaries, and the sentence for each mistake."""

import copy
import itertools
import re

import gin
import numpy as np
import nussl
import pytest
import torch

from audition import losses, registry
from audition.errors import ConfigError
from audition.losses import Losses, loss
from audition.losses.permutation import best_assignment
from tests.support import documents

BATCH, FRAMES, BINS, EMBEDDING, SOURCES = 2, 3, 4, 5, 2
SHAPE = BATCH, FRAMES, BINS, 1


@loss
class LouderThanItShould(torch.nn.Module):
    """A user's loss: how much the estimates exceed the targets by, times `factor`."""

    DEFAULT_KEYS = {"estimates": "estimates", "source_magnitudes": "targets"}

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, estimates, targets):
        return self.factor * (estimates - targets).clamp_min(0).mean()


@pytest.fixture
def magnitudes():
    """`(output, data)` of a mask inference network: random estimates and targets."""
    generator = torch.Generator().manual_seed(0)
    estimates, targets = (torch.rand(*SHAPE, SOURCES, generator=generator) for _ in range(2))
    return {"estimates": estimates}, {"source_magnitudes": targets}


@pytest.fixture
def clusters():
    """`(output, data)` of a deep clustering network."""
    generator = torch.Generator().manual_seed(0)
    owner = torch.randint(SOURCES, SHAPE, generator=generator)
    data = {
        "ideal_binary_mask": torch.nn.functional.one_hot(owner, SOURCES).float(),
        "weights": torch.rand(*SHAPE, generator=generator),
    }
    return {"embedding": torch.randn(*SHAPE, EMBEDDING, generator=generator)}, data


def value(dictionary, output, data, **settings):
    return Losses(dictionary, **settings)(output, data)["loss"].item()


def invariant(name, inner):
    return {name: {"weight": 1.0, "args": [inner]}}


# permutations --------------------------------------------------------------------


@pytest.mark.parametrize(("inner", "power"), [("L1Loss", 1), ("MSELoss", 2)])
def test_one_permutation_per_utterance(inner, power):
    """Utterance 0 is swapped as a whole, utterance 1 in one of its four bins."""
    targets = torch.tensor([[[0.0, 3.0]] * 4, [[0.0, 3.0]] * 4])
    estimates = torch.tensor([[[2.0, 0.0]] * 4, [[0.0, 3.0]] * 3 + [[3.0, 0.0]]])
    of_utterances = [(0**power + 1**power) / 2, 2 * 3**power / 8]  # per bin the second would be 0
    for name in ("PermutationInvariantLoss", "CombinationInvariantLoss"):
        found = value(
            invariant(name, inner), {"estimates": estimates}, {"source_magnitudes": targets}
        )
        assert found == pytest.approx(np.mean(of_utterances))


def test_permutation_invariance_over_random_utterances(magnitudes):
    output, data = magnitudes
    estimates, targets = output["estimates"].numpy(), data["source_magnitudes"].numpy()
    straight, swapped = (
        np.abs(estimates - one).reshape(BATCH, -1).mean(axis=1)
        for one in (targets, targets[..., ::-1])
    )
    expected = np.minimum(straight, swapped).mean()
    assert value(invariant("PermutationInvariantLoss", "L1Loss"), output, data) == pytest.approx(
        expected, abs=1e-6
    )


def test_of_three_estimates_the_two_that_fit_are_chosen(magnitudes):
    _, data = magnitudes
    targets = data["source_magnitudes"]
    spare = torch.full((*SHAPE, 1), 9.0)
    estimates = torch.cat([targets[..., 1:] + 0.5, spare, targets[..., :1]], dim=-1)
    found = value(invariant("CombinationInvariantLoss", "L1Loss"), {"estimates": estimates}, data)
    assert found == pytest.approx(0.25, abs=1e-6)


def test_permutation_invariant_sisdr_of_waveforms():
    references = torch.randn(1, 1, 800, 2, generator=torch.Generator().manual_seed(0))
    estimates = references.flip(-1) + 0.1
    dictionary = {
        "Permuted": {
            "class": "PermutationInvariantLoss",
            "keys": {"audio": "estimates", "source_audio": "targets"},
            "args": [{"class": "SISDRLoss", "kwargs": {"scaling": False, "clip_min": -30}}],
        }
    }
    found = Losses(dictionary)({"audio": estimates}, {"source_audio": references})
    assert found["Permuted"].item() == pytest.approx(-30)


@pytest.mark.parametrize("name", ["PermutationInvariantLoss", "CombinationInvariantLoss"])
def test_invariant_losses_choose_one_permutation_per_utterance(name):
    losses = nussl.ml.train.loss
    targets = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]])  # (batch, frequency, source)
    estimates = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]])  # the last bin is swapped
    loss = getattr(losses, name)(losses.L1Loss())
    assert loss(estimates, targets).item() == pytest.approx(1 / 3)
    assert loss(estimates.flip(-1), targets).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("num_estimates", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("inner", ["L1Loss", "MSELoss", "SISDRLoss", "KLDivLoss"])
def test_the_best_assignment_is_that_of_brute_force(num_estimates, inner):
    torch.manual_seed(num_estimates)
    loss = getattr(nussl.ml.train.loss, inner)(reduction="none")
    for num_sources in {2, num_estimates - 1, num_estimates} - {1}:
        estimates = torch.randn(3, 40, num_estimates, dtype=torch.double, requires_grad=True)
        targets = torch.rand(3, 40, num_sources, dtype=torch.double)
        tried = [
            loss(estimates[..., list(order)], targets).reshape(3, -1).mean(-1)
            for order in itertools.permutations(range(num_estimates), num_sources)
        ]
        expected = torch.stack(tried).amin(0).mean()
        found = best_assignment(loss, estimates, targets)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
        (gradient,) = torch.autograd.grad(found, estimates)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, estimates)[0])


def test_a_loss_that_is_not_finite_stays_so():
    estimates = torch.full((1, 4, 5), float("nan"))
    assert not best_assignment(
        torch.nn.MSELoss(reduction="none"), estimates, torch.ones(1, 4, 5)
    ).isfinite()


def test_combination_invariant_loss_takes_the_best_estimates():
    targets = torch.rand(3, 10, 7, 1, 2)
    spare = torch.rand(3, 10, 7, 1, 1)
    loss = nussl.ml.train.loss.CombinationInvariantLoss(nussl.ml.train.loss.MSELoss())
    assert loss(torch.cat([targets[..., 1:], spare, targets[..., :1]], -1), targets).item() == 0


def test_permutation_of_sisdr_is_unchanged():
    references = torch.randn(4, 1000, 2)
    estimates = references + 0.1 * torch.randn(4, 1000, 2)
    sisdr = nussl.ml.train.loss.SISDRLoss()
    expected = sisdr(estimates, references).item()
    permuted = nussl.ml.train.loss.PermutationInvariantLoss(nussl.ml.train.loss.SISDRLoss())
    assert permuted(estimates.flip(-1), references).item() == pytest.approx(expected, abs=1e-4)


# formulas ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "power"), [("L1Loss", 1), ("MSELoss", 2)])
def test_l1_and_mse(magnitudes, name, power):
    output, data = magnitudes
    difference = (output["estimates"] - data["source_magnitudes"]).abs().numpy()
    assert value({name: {}}, output, data) == pytest.approx((difference**power).mean(), abs=1e-6)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
def test_kullback_leibler_takes_log_estimates(magnitudes):
    output, data = magnitudes
    logs, targets = output["estimates"].log(), data["source_magnitudes"].numpy()
    expected = (targets * (np.log(targets) - logs.numpy())).mean()
    keys = {"logs": "input", "source_magnitudes": "target"}
    found = value({"KLDivLoss": {"keys": keys}}, {"logs": logs}, data)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "dictionary",
    [
        {"KLDivLoss": {}},
        {"mine": {"class": "KLDivLoss"}},
        {"PermutationInvariantLoss": {"args": ["KLDivLoss"]}},
        {"PermutationInvariantLoss": {"args": [{"class": "KLDivLoss"}]}},
    ],
)
def test_kullback_leibler_of_magnitudes_is_refused(dictionary):
    with pytest.raises(ConfigError, match="would take magnitudes for the log-probabilities"):
        Losses(dictionary)


def test_sisdr_is_the_projection_over_the_rest():
    random = np.random.default_rng(0)
    reference, noise = random.standard_normal((2, 1000))
    estimate = 0.5 * reference + 0.1 * noise + 3.0  # the offset is taken off
    s, e = reference - reference.mean(), estimate - estimate.mean()
    projection = (e @ s) / (s @ s) * s
    expected = -10 * np.log10(np.sum(projection**2) / np.sum((e - projection) ** 2))
    audio, source = (
        torch.tensor(x, dtype=torch.float32)[None, None, :, None] for x in (estimate, reference)
    )
    found = value({"SISDRLoss": {}}, {"audio": audio}, {"source_audio": source})
    assert found == pytest.approx(expected, abs=1e-3)


def weighted_points(output, data):
    """Per utterance: unit embeddings and assignments, both times the weights, and the weights."""
    for item in range(BATCH):
        weights = data["weights"][item].double().reshape(-1, 1).numpy()
        points = output["embedding"][item].double().reshape(-1, EMBEDDING).numpy()
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        owners = data["ideal_binary_mask"][item].double().reshape(-1, SOURCES).numpy()
        yield weights * points, weights * owners, weights


def test_deep_clustering_is_the_distance_of_affinities(clusters):
    expected = [
        np.sum((V @ V.T - Y @ Y.T) ** 2) / np.sum(w**2) ** 2
        for V, Y, w in weighted_points(*clusters)
    ]
    found = value({"DeepClusteringLoss": {}}, *clusters)
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


def test_whitened_kmeans_is_the_distance_of_whitened_points(clusters):
    def whitened(points):
        return np.linalg.inv(points.T @ points + np.eye(points.shape[1]))

    expected = [
        EMBEDDING + SOURCES - 2 * np.trace(whitened(V) @ V.T @ Y @ whitened(Y) @ Y.T @ V)
        for V, Y, _ in weighted_points(*clusters)
    ]
    found = value({"WhitenedKMeansLoss": {}}, *clusters)
    assert found == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("name", ["DeepClusteringLoss", "WhitenedKMeansLoss"])
def test_clusters_that_fit_lose_least(clusters, name):
    output, data = clusters
    fitting = {
        "embedding": torch.nn.functional.pad(data["ideal_binary_mask"], (0, EMBEDDING - SOURCES))
    }
    assert value({name: {}}, fitting, data) < 0.9 * value({name: {}}, output, data)


# dictionaries --------------------------------------------------------------------


def test_losses_are_weighted_and_summed(magnitudes):
    found = Losses({"L1Loss": {"weight": 2.0}, "MSELoss": {"weight": 3}})(*magnitudes)
    assert list(found) == ["L1Loss", "MSELoss", "loss"]
    assert found["loss"].item() == pytest.approx(
        2 * found["L1Loss"].item() + 3 * found["MSELoss"].item()
    )


def test_losses_are_multiplied(magnitudes):
    dictionary = {"L1Loss": {"weight": 2.0}, "MSELoss": {}}
    found = Losses(dictionary, "combine_by_multiply")(*magnitudes)
    assert found["loss"].item() == pytest.approx(
        2 * found["L1Loss"].item() * found["MSELoss"].item()
    )


def test_a_weight_of_zero_reports_only(magnitudes):
    output, data = magnitudes
    output["estimates"].requires_grad_()
    both = Losses({"L1Loss": {"weight": 0}, "MSELoss": {}})(output, data)
    assert both["L1Loss"] > 0
    assert torch.equal(both["loss"], both["MSELoss"])
    product = Losses({"L1Loss": {"weight": 0}, "MSELoss": {}}, "combine_by_multiply")
    assert torch.equal(product(output, data)["loss"], both["MSELoss"])


def test_class_keys_args_and_kwargs(magnitudes):
    output, data = magnitudes
    dictionary = {
        "of the mask": {
            "class": "L1Loss",
            "keys": {"mask": "input", "source_magnitudes": "target"},
        },
        "summed": {"class": "L1Loss", "kwargs": {"reduction": "sum"}},
        "ten times": {"class": "LouderThanItShould", "args": [10.0]},
    }
    losses = Losses(dictionary)
    found = losses({**output, "mask": data["source_magnitudes"] + 0.5}, data)
    difference = (output["estimates"] - data["source_magnitudes"]).numpy()
    assert losses.names == list(dictionary)
    assert found["of the mask"].item() == pytest.approx(0.5)
    assert found["summed"].item() == pytest.approx(np.abs(difference).sum(), rel=1e-5)
    assert found["ten times"].item() == pytest.approx(10 * difference.clip(0).mean(), rel=1e-5)


def test_a_users_loss_is_named_in_dictionaries_and_gin_files(magnitudes):
    output, data = magnitudes
    difference = (output["estimates"] - data["source_magnitudes"]).numpy()
    found = value({"LouderThanItShould": {"weight": 3.0}}, output, data)
    assert found == pytest.approx(3 * difference.clip(0).mean(), rel=1e-5)
    assert gin.get_configurable("LouderThanItShould")().factor == 1.0
    assert nussl.ml.train.loss.LouderThanItShould is LouderThanItShould


def test_weights_can_be_changed(magnitudes):
    losses = Losses({"L1Loss": {"weight": 1.0}, "MSELoss": {"weight": 1.0}})
    losses.weights = {"L1Loss": 0.0, "MSELoss": 4.0}
    found = losses(*magnitudes)
    assert losses.weights == {"L1Loss": 0.0, "MSELoss": 4.0}
    assert found["loss"].item() == pytest.approx(4 * found["MSELoss"].item())


def test_the_output_of_the_model_is_left_alone(magnitudes):
    output, data = magnitudes
    Losses({"L1Loss": {}})(output, data)
    assert list(output) == ["estimates"]


# keys ----------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["SISDRLoss"], [{"class": "SISDRLoss"}]])
@pytest.mark.parametrize("name", ["PermutationInvariantLoss", "CombinationInvariantLoss"])
def test_an_invariant_loss_reads_what_the_one_inside_it_reads(name, args):
    random = torch.Generator().manual_seed(0)
    audio, source_audio = torch.randn(2, BATCH, 1, 500, SOURCES, generator=random)
    output, data = {"audio": audio}, {"source_audio": source_audio}
    keys = {"audio": "estimates", "source_audio": "targets"}
    expected = value({name: {"args": args, "keys": keys}}, output, data)
    assert value({name: {"args": args}}, output, data) == expected
    assert value({"PIT": {"class": name, "args": args}}, output, data) == expected


def test_an_invariant_loss_takes_keys_of_ones_own_first(magnitudes):
    output, data = magnitudes
    settings = {"args": ["L1Loss"], "keys": {"mask": "estimates", "shares": "targets"}}
    found = value(
        {"PermutationInvariantLoss": settings},
        {"mask": output["estimates"]},
        {"shares": data["source_magnitudes"]},
    )
    assert found == value({"PermutationInvariantLoss": {"args": ["L1Loss"]}}, output, data)


def test_a_missing_input_shows_the_form_of_keys(magnitudes):
    losses = Losses({"PermutationInvariantLoss": {"args": ["SISDRLoss"]}})
    form = r"its 'keys', which are \{'audio': 'estimates', 'source_audio': 'targets'\} now"
    with pytest.raises(ConfigError, match=form):
        losses(*magnitudes)


# mistakes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dictionary", "sentence"),
    [
        ({"L2Loss": {}}, r"train.loss_dictionary can't be used: .*'?L2Loss'?"),
        ({"nn": {}}, "train.loss_dictionary can't be used: .*nn"),
        ({"L1Loss": {"wieght": 1.0}}, r"\['L1Loss'\] has no setting 'wieght'; it may have weight,"),
        ({"L1Loss": {"weight": "1"}}, "weight"),
        ({"L1Loss": {"args": 1}}, "args"),
        ({"L1Loss": {"kwargs": []}}, "kwargs"),
        ({"L1Loss": {"kwargs": {"reductoin": "sum"}}}, "reductoin"),
        ({"L1Loss": 1.0}, r"\['L1Loss'\] is 1.0; it must be a dict"),
        ({"PermutationInvariantLoss": {}}, "needs the loss inside it, such as 'args'"),
        ({"PermutationInvariantLoss": {"args": ["L2Loss"]}}, "L2Loss"),
        (
            {"PermutationInvariantLoss": {"args": ["DeepClusteringLoss"]}},
            "DeepClusteringLoss doesn't compare estimates with targets, one with one",
        ),
        ({"PermutationInvariantLoss": {"args": [{"name": "L1Loss"}]}}, "needs the loss inside it"),
        ({"PIT": {"class": "CombinationInvariantLoss", "args": []}}, r"\['PIT'\] needs the loss"),
        ({}, "is {}; it must be a dictionary with at least one loss"),
        (["L1Loss"], "it must be a dictionary with at least one loss"),
    ],
)
def test_a_mistake_in_a_dictionary_is_told(dictionary, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        Losses(dictionary)
    assert "train.loss_dictionary" in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["combine_by_magic", "compute_loss", "names"])
def test_an_unknown_combination_is_told(name):
    sentence = f"train.loss_combination = '{name}' is neither 'combine_by_sum' nor"
    with pytest.raises(ConfigError, match=sentence):
        Losses({"L1Loss": {}}, name)


def test_a_loss_that_misses_its_input_names_binding_and_key(clusters):
    losses = Losses({"L1Loss": {}}, binding="val_loss_dictionary")
    sentence = (
        "train.val_loss_dictionary needs 'estimates', which neither the model nor the features "
        r"provide \(they provide embedding, ideal_binary_mask, weights\)"
    )
    with pytest.raises(ConfigError, match=sentence):
        losses(*clusters)


@pytest.mark.parametrize(
    ("dictionary", "sentence"),
    [
        ({"loss": {"class": "L1Loss"}}, "names a loss 'loss', the name of their combination"),
        ({"L1Loss": {"weight": 0}, "MSELoss": {"weight": 0}}, "gives every loss the weight 0"),
    ],
)
def test_a_total_needs_a_name_and_a_weight_of_its_own(dictionary, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Losses(dictionary)


# documentation -------------------------------------------------------------------


def test_the_document_lists_every_loss():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", documents.read("docs/losses.md"), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    ours = {name for name in losses.__all__ if name.endswith("Loss")} - {"WaveformLoss"}
    assert listed == ours | {"DeepClusteringLoss", "WhitenedKMeansLoss", "KLDivLoss"}


PRINTED = [text for _, text in documents.blocks(documents.read("docs/losses.md"), "gin")]


@pytest.mark.parametrize("printed", [one for one in PRINTED if "loss_dictionary" in one])
def test_the_dictionaries_of_the_document_can_be_built(printed):
    registry.register()
    gin.parse_config(printed)
    Losses(copy.deepcopy(gin.query_parameter("train.loss_dictionary")))
