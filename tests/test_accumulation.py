"""Gradients of several batches, one step: as one large batch would step."""

import functools

import gin
import pytest
import torch
from nussl.ml.networks import builders

from audition.commands.train import train
from audition.features import SpectrogramFeatures
from audition.handlers import add_autoclip_gradient_handler
from audition.mixing.remix import RemixStems
from audition.runs.folder import Run
from audition.training.state import TrainingEvents
from tests.support import voices
from tests.support.training import events, state, told

LOSSES = {  # WhitenedKMeansLoss inverts matrices, which rounds worse
    "PermutationInvariantLoss": {"weight": 50.0, "args": ["L1Loss"]},
    "DeepClusteringLoss": {"weight": 1.0},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return voices.open_corpus(voices.write_corpus(folder, 8, seconds=0.5))


@pytest.fixture(autouse=True)
def nothing_bound():
    gin.clear_config()


def chimera():
    """Without batch normalisation, whose statistics are those of what goes through at once."""
    config = builders.build_recurrent_chimera(
        129, 8, 1, True, 0.0, 4, ["sigmoid", "unit_norm"], 2, ["sigmoid"]
    )
    del config["modules"]["normalization"]
    config["connections"] = [
        [name, ["log_spectrogram" if one == "normalization" else one for one in inputs]]
        for name, inputs in config["connections"]
        if name != "normalization"
    ]
    return config


def fit(folder, corpus, batch_size, accumulate_batches, *handlers, **settings):
    """The Training, done: two epochs of four iterations' worth of eight excerpts each."""
    (folder / "logs").mkdir(parents=True)
    return train(
        Run(folder),
        **{
            "train_data": corpus,
            "val_data": corpus,
            "features": SpectrogramFeatures(voices.STFT_PARAMS),
            "model_config": chimera(),
            "loss_dictionary": LOSSES,
            "optimizer": functools.partial(torch.optim.SGD, lr=1e-2),
            "batch_size": batch_size,
            "accumulate_batches": accumulate_batches,
            "num_epochs": 3,
            "excerpt_frames": 20,
            "handlers": handlers,
            "num_threads": 1,
            **settings,
        },
    )


def note_gradients(found, training):
    """A handler that keeps the gradients of each step, as a vector."""

    def note(engine):
        gradients = [parameter.grad for parameter in training.model.parameters()]
        found.append(torch.cat([gradient.flatten() for gradient in gradients]).clone())

    training.trainer.add_event_handler(TrainingEvents.BACKWARD_COMPLETED, note)


@pytest.mark.parametrize("remix", [None, RemixStems(0.5, -6.0, 6.0, seed=0)])
def test_parts_step_as_the_whole_batch(tmp_path, corpus, remix):
    whole, parts = [], []
    one = fit(tmp_path / "one", corpus, 8, 1, functools.partial(note_gradients, whole), remix=remix)
    four = fit(
        tmp_path / "four", corpus, 2, 4, functools.partial(note_gradients, parts), remix=remix
    )
    assert len(whole) == len(parts) == 3  # an event a step, with all of its gradients
    for expected, found in zip(whole, parts, strict=True):
        assert (found - expected).norm() < 1e-5 * expected.norm()
    for name, losses in one.history.items():
        assert four.history[name] == pytest.approx(losses, rel=1e-5)
    for expected, found in zip(one.model.parameters(), four.model.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_scaled_loss_gives_handlers_the_same_gradients(tmp_path, corpus, monkeypatch):
    """float16 needs a GPU; its scaler doesn't."""
    whole, parts = [], []
    fit(tmp_path / "one", corpus, 8, 1, functools.partial(note_gradients, whole))
    scaler = functools.partial(torch.amp.GradScaler, "cpu", init_scale=1024.0)
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, enabled: scaler())
    training = fit(tmp_path / "four", corpus, 2, 4, functools.partial(note_gradients, parts))
    assert training.scaler.is_enabled()
    for expected, found in zip(whole, parts, strict=True):
        assert (found - expected).norm() < 1e-5 * expected.norm()


def test_an_iteration_is_a_step(tmp_path, corpus):
    clip = functools.partial(add_autoclip_gradient_handler, clip_percentile=10)
    training = fit(tmp_path, corpus, 2, 2, clip)
    assert state(training.run)["iteration"] == 6
    assert training.kept["autoclip"].counts.sum() == 6
    log = events(training.run)
    assert [one.step for one in log.Scalars("iteration/loss")] == [1, 2, 3, 4, 5, 6]
    assert [one.step for one in log.Scalars("train/loss")] == [2, 4, 6]


@pytest.mark.parametrize(
    ("bindings", "sentence"),
    [
        (("train.accumulate_batches = 0",), "accumulate_batches = 0 must be a whole number, at"),
        (
            (
                "train.accumulate_batches = 2",
                "train.loss_combination = 'combine_by_multiply'",
            ),
            "'combine_by_multiply' gives a whole batch others: choose 'combine_by_sum'",
        ),
        (
            (
                "train.accumulate_batches = 2",
                "train.handlers = []",
                "train.loss_dictionary = {'L1Loss': {'kwargs': {'reduction': 'sum'}}}",
            ),
            "train.loss_dictionary['L1Loss'] is a sum over the batch: take out its reduction",
        ),
        (
            (
                "train.accumulate_batches = 2",
                "train.handlers = []",
                "train.loss_dictionary = {'PermutationInvariantLoss': "
                "{'args': ['L1Loss'], 'kwargs': {'threshold': 0.1}}}",
            ),
            "train.loss_dictionary['PermutationInvariantLoss'] leaves out utterances below its",
        ),
    ],
)
def test_what_parts_do_not_add_up_to_is_told(instantiate, capsys, bindings, sentence):
    (run,) = instantiate()
    assert sentence in told(capsys, "train", run.config, *bindings)
    assert not run.checkpoints.exists()
