"""Handlers, each on a real training of a tiny network on short voices."""

import csv
import functools

import gin
import numpy as np
import pytest
import torch
from ignite.engine import Events
from nussl.ml.networks import builders
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from audition.commands.train import train
from audition.errors import ConfigError
from audition.features import SpectrogramFeatures
from audition.handlers import (
    add_auto_balance_loss,
    add_autoclip_gradient_handler,
    add_clip_gradient_handler,
    add_inspect_gradient,
    add_lr_scheduler_handler,
    add_record_batch_and_loss_info_handler,
    early_stopping,
)
from audition.handlers.balance import Balance
from audition.handlers.gradients import NormHistogram
from audition.handlers.records import ItemLosses
from audition.losses import Losses
from audition.runs.folder import Run
from audition.training.state import TrainingEvents
from tests.support import voices

NUM_TRACKS, BATCH_SIZE = 4, 2  # two iterations an epoch
TWO_LOSSES = {"L1Loss": {"weight": 0.5}, "MSELoss": {"weight": 1.0}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return voices.open_corpus(voices.write_corpus(folder, NUM_TRACKS, seconds=0.5))


@pytest.fixture
def run(tmp_path):
    """A run folder; what other tests have bound for train is forgotten."""
    gin.clear_config()
    (tmp_path / "logs").mkdir()
    return Run(tmp_path)


def adam(learning_rate=1e-3):
    return functools.partial(torch.optim.Adam, lr=learning_rate)


def fit(run, corpus, *handlers, **settings):
    """The Training, done."""
    return train(
        run,
        **{
            "train_data": corpus,
            "val_data": corpus,
            "features": SpectrogramFeatures(voices.STFT_PARAMS),
            "model_config": builders.build_recurrent_mask_inference(
                129, 8, 1, True, 0.0, 2, ["sigmoid"]
            ),
            "loss_dictionary": {"L1Loss": {"weight": 100.0}},  # torch adds 1e-6 to norms
            "optimizer": adam(),
            "batch_size": BATCH_SIZE,
            "num_epochs": 3,
            "excerpt_frames": 20,
            "handlers": handlers,
            "num_threads": 1,
            **settings,
        },
    )


def scalars(run, name):
    """dict, iteration → value, as TensorBoard shows it."""
    (folder,) = (path for path in run.logs.iterdir() if path.is_dir())
    events = EventAccumulator(str(folder)).Reload()
    assert name in events.Tags()["scalars"], events.Tags()["scalars"]
    return {event.step: event.value for event in events.Scalars(name)}


def record_norms(norms, training):
    """A handler that notes the norm of the gradients as it finds them."""

    def note(engine):
        norms.append(
            float(torch.nn.utils.get_total_norm([p.grad for p in training.model.parameters()]))
        )

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, note)


# gradients -----------------------------------------------------------------------


def test_clip_bounds_the_norm_and_logs_the_one_before(run, corpus):
    before, after = [], []
    clip = functools.partial(add_clip_gradient_handler, clip_value=1e-3)
    fit(
        run,
        corpus,
        functools.partial(record_norms, before),
        clip,
        functools.partial(record_norms, after),
    )
    assert min(before) > 1e-3
    assert after == pytest.approx([1e-3] * 6, rel=1e-2)
    assert list(scalars(run, "grad_norm").values()) == pytest.approx(before, rel=1e-5)


def test_clip_leaves_small_gradients_alone(run, corpus):
    before, after = [], []
    clip = functools.partial(add_clip_gradient_handler, clip_value=1e4)
    fit(
        run,
        corpus,
        functools.partial(record_norms, before),
        clip,
        functools.partial(record_norms, after),
    )
    assert before == after


def test_autoclip_bounds_the_norm_by_its_history(run, corpus):
    before, after = [], []
    clip = functools.partial(add_autoclip_gradient_handler, clip_percentile=50)
    fit(
        run,
        corpus,
        functools.partial(record_norms, before),
        clip,
        functools.partial(record_norms, after),
    )
    medians = [np.percentile(before[: i + 1], 50) for i in range(len(before))]
    assert list(scalars(run, "grad_clip").values()) == pytest.approx(medians, rel=5e-3)
    assert list(scalars(run, "grad_norm").values()) == pytest.approx(before, rel=1e-5)
    assert after == pytest.approx(list(np.minimum(before, medians)), rel=1e-2)
    assert after != before


def test_autoclip_at_100_does_not_clip(run, corpus):
    before, after = [], []
    clip = functools.partial(add_autoclip_gradient_handler, clip_percentile=100)
    fit(
        run,
        corpus,
        functools.partial(record_norms, before),
        clip,
        functools.partial(record_norms, after),
    )
    assert before == after


@pytest.mark.parametrize("percentile", [-1, 101])
def test_autoclip_refuses_what_is_no_percentile(run, corpus, percentile):
    clip = functools.partial(add_autoclip_gradient_handler, clip_percentile=percentile)
    with pytest.raises(
        ConfigError, match=f"clip_percentile = {percentile} must lie between 0 and 100"
    ):
        fit(run, corpus, clip)


def histogram_of(values):
    histogram = NormHistogram()
    for value in values:
        histogram.add(scalar(value))
    return histogram


def scalar(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (-8.0, 0.1), (9.0, 3.0)])
def test_percentiles_of_ten_thousand_norms(mean, sigma):
    norms = np.random.default_rng(0).lognormal(mean, sigma, 10_000)
    histogram = histogram_of(norms)
    for percent in (0.5, 1, 10, 25, 50, 90, 99, 99.5):
        expected = np.percentile(norms, percent)
        assert histogram.percentile(percent).item() == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("percent", [0, 1, 10, 50, 90, 99.9, 100])
@pytest.mark.parametrize("seed", range(3))
def test_percentiles_are_numpys_from_the_first_norm_on(percent, seed):
    norms = np.random.default_rng(seed).standard_cauchy(5000) ** 2  # heavy tails on both sides
    histogram = NormHistogram()
    for number, norm in enumerate(norms, 1):
        histogram.add(scalar(norm))
        if number <= 50 or number % 250 == 0:
            expected = np.percentile(norms[:number], percent)
            assert histogram.percentile(percent).item() == pytest.approx(expected, rel=1e-2)


def test_the_histogram_keeps_its_size_and_its_bounds():
    histogram = NormHistogram()
    size = histogram.counts.nbytes
    for value in (0.0, 1e-30, 1e30, 1.0, float("inf"), float("nan")):
        histogram.add(scalar(value))
    assert histogram.counts.nbytes == size < 100_000
    assert histogram.counts.sum() == 4  # what overflowed is left out
    assert histogram.percentile(100 / 3) == 0
    assert histogram.percentile(200 / 3).item() == pytest.approx(1.0, rel=5e-3)
    assert histogram.percentile(100).item() == pytest.approx(1e12, rel=5e-3)


def test_the_histogram_comes_back_from_a_checkpoint(tmp_path):
    histogram = histogram_of(np.random.default_rng(0).lognormal(size=500))
    torch.save(histogram.state_dict(), tmp_path / "state.pth")
    other = NormHistogram()
    other.load_state_dict(torch.load(tmp_path / "state.pth", weights_only=True))
    histogram.add(scalar(1.0))
    other.add(scalar(1.0))
    assert torch.equal(histogram.counts, other.counts)
    assert NormHistogram().percentile(50) == float("inf")  # clips nothing before the first norm


def without_gradients(training, iterations, none):
    """A handler that takes the gradients away in these iterations, or sets them to 0."""

    def take(engine):
        if engine.state.iteration in iterations:
            for parameter in training.model.parameters():
                parameter.grad = None if none else torch.zeros_like(parameter)

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, take)


def test_autoclip_leaves_out_steps_without_gradients(run, corpus, caplog):
    every_other = functools.partial(without_gradients, iterations=(1, 3, 5), none=True)
    clip = functools.partial(add_autoclip_gradient_handler, clip_percentile=10)
    training = fit(run, corpus, every_other, clip)
    assert training.kept["autoclip"].counts.sum() == 3
    assert list(scalars(run, "grad_clip")) == [2, 4, 6]
    assert min(scalars(run, "grad_clip").values()) > 0
    assert "clips all gradients to 0" not in caplog.text


def test_autoclip_warns_once_that_it_clips_to_zero(run, corpus, caplog):
    at_first = functools.partial(without_gradients, iterations=(1, 2, 3), none=False)
    clip = functools.partial(add_autoclip_gradient_handler, clip_percentile=10)
    fit(run, corpus, at_first, clip)
    (told,) = [line for line in caplog.messages if "clips all gradients to 0" in line]
    assert "in iteration 1" in told and "more than clip_percentile = 10 %" in told


def test_inspect_gradient_logs_each_parameter(run, corpus):
    training = fit(run, corpus, functools.partial(add_inspect_gradient, every=4))
    for name, _ in training.model.named_parameters():
        norms = scalars(run, f"gradient/{name}")
        assert list(norms) == [4]
        assert norms[4] > 0


# schedule ------------------------------------------------------------------------


def test_plateau_gets_the_validation_loss(run, corpus):
    schedule = functools.partial(add_lr_scheduler_handler, scheduler=ReduceLROnPlateau)
    training = fit(run, corpus, schedule, val_loss_dictionary={"MSELoss": {"weight": 1.0}})
    history = training.history
    assert training.kept["lr_scheduler"].scheduler.best == min(history["validation/loss"])
    assert min(history["validation/loss"]) not in history["train/loss"]


def test_plateau_lowers_the_rate_once_the_loss_stalls(run, corpus):
    stalled = functools.partial(ReduceLROnPlateau, patience=0, threshold=1e9, threshold_mode="abs")
    fit(run, corpus, functools.partial(add_lr_scheduler_handler, scheduler=stalled))
    assert list(scalars(run, "learning_rate").values()) == pytest.approx([1e-3, 1e-4, 1e-5])


def test_any_scheduler_steps_once_an_epoch(run, corpus):
    halve = functools.partial(StepLR, step_size=1, gamma=0.5)
    fit(run, corpus, functools.partial(add_lr_scheduler_handler, scheduler=halve))
    assert list(scalars(run, "learning_rate").values()) == pytest.approx([5e-4, 2.5e-4, 1.25e-4])


def test_no_scheduler_leaves_the_rate_alone(run, corpus):
    training = fit(run, corpus, functools.partial(add_lr_scheduler_handler, scheduler=None))
    assert list(scalars(run, "learning_rate").values()) == pytest.approx([1e-3] * 3)
    assert training.kept == {}


def test_early_stopping_ends_the_training_and_a_resume_does_not_go_on(run, corpus):
    never_better = functools.partial(early_stopping, patience=2, threshold=1e9)
    training = fit(run, corpus, never_better, num_epochs=10)
    assert training.stopped
    assert len(training.history["validation/loss"]) == 3  # the first epoch, and two without better
    before = (run.checkpoints / "latest.pth").read_bytes()
    again = fit(run, corpus, never_better, num_epochs=10, resume=True)
    assert again.history == training.history
    assert (run.checkpoints / "latest.pth").read_bytes() == before


def test_early_stopping_goes_on_while_the_loss_falls(run, corpus):
    training = fit(run, corpus, functools.partial(early_stopping, patience=1), num_epochs=4)
    losses = training.history["validation/loss"]
    assert all(later < earlier for earlier, later in zip(losses, losses[1:], strict=False))
    assert len(losses) == 4
    assert not training.stopped


def test_early_stopping_needs_patience(run, corpus):
    with pytest.raises(ConfigError, match="early_stopping.patience = 0 must be at least 1"):
        fit(run, corpus, functools.partial(early_stopping, patience=0))


# balance -------------------------------------------------------------------------

PAPERS_LOSSES = {
    "MaskInferenceLoss": {"class": "L1Loss", "weight": 1.0},
    "WhitenedKMeansLoss": {"weight": 20000.0},
}


def published_weights(losses, ratios, ref_percentile):
    """As the paper's code is described: each row of `losses` `(adjustment, loss)` is what one
    adjustment saw; the weights solve "all of weight × L / ratio are equal, and the weights sum to 1"."""
    shares = np.percentile(losses, ref_percentile, axis=0) / ratios
    num_losses = len(ratios)
    equal = [shares * (row - 1 / num_losses) for row in np.eye(num_losses)]
    target = np.append(np.zeros(num_losses), 1)
    return np.linalg.lstsq(np.vstack([*equal, np.ones(num_losses)]), target, rcond=None)[0]


def balanced(run, corpus, loss_dictionary, **settings):
    """The Training under `add_auto_balance_loss`; iteration → weights and losses, `(iteration, loss)`."""
    balance = functools.partial(add_auto_balance_loss, **settings)
    training = fit(run, corpus, balance, loss_dictionary=loss_dictionary, num_epochs=6)
    columns = [
        [list(scalars(run, f"{kind}/{name}").values()) for name in loss_dictionary]
        for kind in ("weight", "iteration")
    ]
    return training, *(np.transpose(column) for column in columns)


@pytest.mark.parametrize("ref_percentile", [100, 30])
def test_auto_balance_gives_the_published_weights(run, corpus, ref_percentile):
    training, weights, losses = balanced(
        run, corpus, TWO_LOSSES, every=3, ref_percentile=ref_percentile
    )
    assert weights[:2] == pytest.approx(np.ones((2, 2)))
    for iteration in range(3, 13):
        seen = losses[2:iteration:3]
        expected = published_weights(seen, np.array([0.5, 1.0]), ref_percentile)
        assert weights[iteration - 1] == pytest.approx(expected, rel=1e-4)
        assert weights[iteration - 1].sum() == pytest.approx(1)
    assert list(training.losses.weights.values()) == pytest.approx(weights[-1])


def test_auto_balance_reaches_the_ratios_asked_for(run, corpus):
    _, weights, losses = balanced(run, corpus, TWO_LOSSES, every=4, ratios={"MSELoss": 3.0})
    for iteration in (4, 5, 6, 7):
        weighted = weights[iteration - 1] * losses[3]
        assert weighted[1] / weighted[0] == pytest.approx(3.0 / 0.5, rel=1e-4)


def chimera():
    return builders.build_recurrent_chimera(
        129, 8, 1, True, 0.0, 4, ["sigmoid", "unit_norm"], 2, ["sigmoid"]
    )


def record_steps(steps, training):
    """A handler that notes how far each step moves the recurrent stack."""
    stack = training.model.layers["recurrent_stack"]
    before = [torch.nn.utils.parameters_to_vector(stack.parameters()).detach()]

    def note(engine):
        after = torch.nn.utils.parameters_to_vector(stack.parameters()).detach()
        steps.append(float((after - before.pop()).norm()))
        before.append(after)

    training.trainer.add_event_handler(Events.ITERATION_COMPLETED, note)


def test_no_step_collapses_when_auto_balance_changes_a_weight(run, corpus):
    """With weights that fall from 20000 to 1, Adam's second moment froze the network for most of a run."""
    steps = []
    handlers = [
        functools.partial(record_steps, steps),
        functools.partial(add_auto_balance_loss, every=10),
    ]
    settings = {"loss_dictionary": PAPERS_LOSSES, "model_config": chimera(), "num_epochs": 30}
    fit(run, corpus, *handlers, **settings)
    assert len(steps) == 60
    assert min(steps[10:]) > 0.1 * np.median(steps[:10])


def balance_of(weights, ratios=None):
    losses = Losses({name: {"class": "L1Loss", "weight": one} for name, one in weights.items()})
    return losses, Balance(losses, ratios or {name: 1.0 for name in weights if weights[name]}, 100)


def test_balance_leaves_out_a_weight_of_zero_and_waits_for_a_loss_of_zero():
    losses, balance = balance_of({"one": 2.0, "reported": 0, "silent": 5.0})
    assert losses.weights == {"one": 1.0, "reported": 0, "silent": 1.0}
    balance.update({"one": 1.0, "reported": 2.0, "silent": 0.0})
    assert losses.weights == {"one": 1.0, "reported": 0, "silent": 1.0}
    balance.update({"one": 1.0, "reported": 2.0, "silent": 4.0})
    assert losses.weights == {"one": 0.8, "reported": 0, "silent": 0.2}


def test_balance_keeps_the_weight_of_a_negative_loss_positive():
    losses, balance = balance_of({"sisdr": 1.0, "l1": 1.0})
    balance.update({"sisdr": -12.0, "l1": 4.0})
    assert losses.weights == pytest.approx({"sisdr": 0.25, "l1": 0.75})


def test_balance_comes_back_from_a_checkpoint(tmp_path):
    losses, balance = balance_of({"a": 1.0, "b": 3.0}, {"a": 1.0, "b": 3.0})
    balance.update({"a": 2.0, "b": 1.0})
    torch.save(balance.state_dict(), tmp_path / "state.pth")
    others, other = balance_of({"a": 1.0, "b": 3.0}, {"a": 1.0, "b": 3.0})
    other.load_state_dict(torch.load(tmp_path / "state.pth", weights_only=True))
    assert others.weights == losses.weights
    for one in (balance, other):
        one.update({"a": 1.0, "b": 5.0})
    assert others.weights == losses.weights and other.history == balance.history


def test_balance_takes_up_the_weights_of_version_0_1():
    sums = {"a": 0.5, "b": 0.5}
    losses, balance = balance_of({"a": 1.0, "b": 20000.0})
    balance.load_state_dict({"weights": {"a": 1.0, "b": 3.0}, "cross": sums, "square": sums})
    assert losses.weights == {"a": 1.0, "b": 3.0}
    balance.update({"a": 1.0, "b": 1.0})
    assert losses.weights == {"a": 0.5, "b": 0.5}


def test_auto_balance_tells_that_a_reference_is_not_used(run, corpus, caplog):
    _, weights, _ = balanced(run, corpus, TWO_LOSSES, every=3, reference="L1Loss")
    (told,) = [line for line in caplog.messages if "reference" in line]
    assert told.startswith("add_auto_balance_loss.reference is no longer used: the weights sum")
    assert weights[-1].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"ratios": {"KLDivLoss": 1.0}},
            "ratios names 'KLDivLoss', which train.loss_dictionary doesn't have or gives the weight "
            "0; it may name L1Loss, MSELoss",
        ),
        ({"ratios": {"L1Loss": 0}}, "can't give L1Loss the ratio 0; bind a positive one"),
        ({"every": 0}, "every = 0 must be at least 1 iteration"),
        ({"ref_percentile": 101}, "ref_percentile = 101 must lie between 0 and 100"),
    ],
)
def test_auto_balance_refuses(run, corpus, settings, sentence):
    balance = functools.partial(add_auto_balance_loss, **{"every": 2, **settings})
    with pytest.raises(ConfigError, match=sentence):
        fit(run, corpus, balance, loss_dictionary=TWO_LOSSES)


# records -------------------------------------------------------------------------


def item_losses(run):
    """Rows of the file: `(epoch, item, dict of losses)`."""
    with open(run.item_losses) as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("epoch", "item")]
    return [
        (int(row["epoch"]), row["item"], {name: float(row[name]) for name in names}) for row in rows
    ]


PERMUTED = {
    "PermutationInvariantLoss": {"weight": 2.0, "args": ["L1Loss"]},
    "WhitenedKMeansLoss": {"weight": 0.1},
    "DeepClusteringLoss": {"weight": 0.1},
}


@pytest.mark.parametrize("parts", [1, 2])
def test_item_losses_are_each_items_own_and_their_mean_the_batchs(run, corpus, parts):
    training = fit(
        run,
        corpus,
        add_record_batch_and_loss_info_handler,
        model_config=chimera(),
        loss_dictionary=PERMUTED,
        batch_size=BATCH_SIZE // parts,
        accumulate_batches=parts,
    )
    rows = item_losses(run)
    assert [epoch for epoch, *_ in rows] == [1] * NUM_TRACKS + [2] * NUM_TRACKS + [3] * NUM_TRACKS
    for epoch in (1, 2, 3):
        seen = [(item, losses) for number, item, losses in rows if number == epoch]
        assert sorted(item for item, _ in seen) == corpus.names
        for name in ("loss", *PERMUTED):
            found = [losses[name] for _, losses in seen]
            assert len(set(found)) == NUM_TRACKS  # a batch's mean would stand at two of its items
            expected = training.history[f"train/{name}"][epoch - 1]
            assert np.mean(found) == pytest.approx(expected, rel=1e-3)
        totals = [losses["loss"] for _, losses in seen]
        assert totals == sorted(totals, reverse=True)


def test_item_losses_sort_by_the_loss_that_is_named(run, corpus):
    record = functools.partial(add_record_batch_and_loss_info_handler, name="MSELoss")
    fit(run, corpus, record, loss_dictionary=TWO_LOSSES, num_epochs=1)
    found = [losses["MSELoss"] for *_, losses in item_losses(run)]
    assert found == sorted(found, reverse=True)


def test_item_losses_come_back_from_a_checkpoint(run, corpus):
    record = add_record_batch_and_loss_info_handler
    fit(run, corpus, record, num_epochs=2)
    before = item_losses(run)
    with open(run.item_losses, "a") as file:
        file.write("3,track0,0.1")  # of an epoch that was killed before its checkpoint
    fit(run, corpus, record, num_epochs=3, resume=True)
    after = item_losses(run)
    assert after[: len(before)] == before
    assert [epoch for epoch, *_ in after[len(before) :]] == [3] * NUM_TRACKS


def test_an_epoch_that_leaves_items_out_or_takes_them_twice(run, corpus):
    fit(run, corpus, add_record_batch_and_loss_info_handler, epoch_length=1, num_epochs=2)
    assert [epoch for epoch, *_ in item_losses(run)] == [1, 1, 2, 2]
    record = ItemLosses(2, 1)
    record.add(torch.tensor([1, 1]), np.array([[1.0], [4.0]]))
    record.close(1)
    assert np.isnan(record.history[1][0]) and record.history[1][1] == 2.5


def test_what_version_01_kept_of_item_losses_loads(run, corpus):
    record = ItemLosses(4, 2)
    record.load_state_dict({"table": torch.zeros(4, 3)})
    assert record.history == {}
    with pytest.raises(ValueError, match="it holds 12 items, and train.train_data has 4"):
        record.load_state_dict({"table": torch.zeros(12, 3)})
    with pytest.raises(ValueError, match="it holds 2 losses, and there are 3"):
        ItemLosses(4, 3).load_state_dict(record.state_dict())


def test_item_losses_name_a_loss_that_is_not_there(run, corpus):
    record = functools.partial(add_record_batch_and_loss_info_handler, name="MSELoss")
    with pytest.raises(
        ConfigError,
        match="name = 'MSELoss' is not in train.loss_dictionary; choose from loss, L1Loss",
    ):
        fit(run, corpus, record)


def test_tensorboard_shows_iterations_and_epochs(run, corpus):
    training = fit(run, corpus, loss_dictionary=TWO_LOSSES, val_loss_dictionary={"L1Loss": {}})
    for name in ("loss", "L1Loss", "MSELoss"):
        assert list(scalars(run, f"iteration/{name}")) == [1, 2, 3, 4, 5, 6]
        epochs = scalars(run, f"train/{name}")
        assert list(epochs) == [2, 4, 6]
        assert list(epochs.values()) == pytest.approx(training.history[f"train/{name}"])
    assert list(scalars(run, "validation/L1Loss").values()) == pytest.approx(
        training.history["validation/loss"]
    )
    for name in ("learning_rate", "seconds_per_epoch", "percent_waiting_for_data"):
        assert list(scalars(run, name)) == [2, 4, 6]
    assert "validation/MSELoss" not in training.history


def test_the_epochs_loss_is_the_mean_of_its_iterations(run, corpus):
    training = fit(run, corpus, num_epochs=2)
    iterations = list(scalars(run, "iteration/loss").values())
    means = [np.mean(iterations[:2]), np.mean(iterations[2:])]
    assert training.history["train/loss"] == pytest.approx(means)
