"""`resume` goes on only with what a training was begun with, and names the binding that differs."""

import shutil

import pytest
import torch

from audition.runs.folder import Run
from tests.support import road
from tests.support.training import state, told

STALLED = "torch.optim.lr_scheduler.ReduceLROnPlateau.threshold = 1e9"
BEGUN = (
    "train.num_epochs = 1",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.5",
    "train.handlers = [@add_clip_gradient_handler, @add_lr_scheduler_handler]",
    "add_clip_gradient_handler.clip_value = 1.0",
    "train/build_dataset.filters = [@NamedLike()]",
    "NamedLike.patterns = '*-0000[0-4]_*'",
)
MORE = "train.num_epochs = 2"


@pytest.fixture(scope="module")
def trained(speech, tmp_path_factory):
    """Run of one epoch; only to read."""
    (run,) = road.instantiate(speech, tmp_path_factory.mktemp("trained"), *BEGUN)
    road.call("train", run.config)
    return run


@pytest.fixture
def run(trained, tmp_path):
    return Run(shutil.copytree(trained.folder, tmp_path / "run0"))


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        ("train.excerpt_seconds = 0.25", "train.excerpt_seconds is 0.5 in the checkpoint and 0.25"),
        (
            "train.loss_dictionary = {'L1Loss': {'weight': 2.0}}",
            "train.loss_dictionary.PermutationInvariantLoss is {'args': ['L1Loss'], 'weight': 1.0} in",
        ),
        (
            "train.loss_dictionary = {'WhitenedKMeansLoss': {'weight': 2.0},"
            " 'PermutationInvariantLoss': {'weight': 1.0, 'args': ['L1Loss']}}",
            "train.loss_dictionary.WhitenedKMeansLoss.weight is 1.0 in the checkpoint and 2.0 now",
        ),
        ("WHAM_TASK = 'mix_both'", "WHAM_TASK (for train.train_data) is 'mix_clean' in"),
        (
            "STFTParams.hop_length = 128",
            "STFTParams.hop_length (for train.features) is 64 in the checkpoint and 128 now",
        ),
        ("SpectrogramFeatures.range_max = 2.0", "SpectrogramFeatures.range_max (for train.featu"),
        ("train.seed = 5", "train.seed is 0 in the checkpoint and 5 now"),
        (
            "NamedLike.patterns = '*-0000[5-9]_*'",  # which are as many
            "NamedLike.patterns (for train.train_data) is '*-0000[0-4]_*' in the checkpoint and",
        ),
        ("val/WHAM.split = 'tt'", "val/WHAM.split (for train.val_data) is 'cv' in"),
        (
            "train.val_data = None",
            "train.val_data is @val/build_dataset() in the checkpoint and None",
        ),
        (
            "build_recurrent_chimera.dropout = 0.1",  # whose weights fit
            "build_recurrent_chimera.dropout (for train.model_config) is 0.3 in the checkpoint",
        ),
        ("torch.optim.Adam.lr = 1e-4", "torch.optim.Adam.lr (for train.optimizer) is 0.001 in"),
        (
            "train.optimizer = @torch.optim.SGD",
            "train.optimizer is @torch.optim.Adam in the checkpoint and @torch.optim.SGD now: go on",
        ),
        (
            "add_clip_gradient_handler.clip_value = 2.0",
            "add_clip_gradient_handler.clip_value is 1.0",
        ),
        (
            "train.handlers = [@add_lr_scheduler_handler]",
            "train.handlers is ['add_clip_gradient_handler', 'add_lr_",
        ),
        (
            "train.mixed_precision = 'bfloat16'",
            "train.mixed_precision is None in the checkpoint and",
        ),
        ("train.batch_size = 2", "train.batch_size is 4 in the checkpoint and 2 now (train.epoch_"),
    ],
)
def test_another_setting_is_refused_by_name(run, capsys, binding, sentence):
    before = run.latest.read_bytes()
    line = told(capsys, "resume", run.config, binding, MORE)
    assert sentence in line
    assert f"go on with what {run.latest} was trained with, instantiate a new run, or" in line
    assert "bind resume.allow = ['train.num_epochs', 'add_lr_scheduler_handler', '" in line
    assert run.latest.read_bytes() == before


def test_what_shapes_nothing_may_change(run):
    handlers = "@add_clip_gradient_handler, @add_inspect_gradient, @add_lr_scheduler_handler"
    road.call(
        "resume",
        run.config,
        MORE,
        "train.num_data_workers = 1",
        "train.val_batch_size = 1",
        "train.save_every_iterations = 1",
        "train.epoch_length = 1",  # which it was
        f"train.handlers = [{handlers}]",
    )
    assert len(state(run)["history"]["train/loss"]) == 2


def test_what_is_allowed_may_change_and_holds_from_then_on(run, capsys):
    """One by the name of a setting, one of what a setting depends on, one by a binding."""
    names = (
        "'train.num_epochs', 'train.train_data', 'STFTParams', 'build_recurrent_chimera.dropout'"
    )
    others = (
        "NamedLike.patterns = '*-0000[5-9]_*'",
        "STFTParams.window_type = 'hann'",
        "build_recurrent_chimera.dropout = 0.1",
    )
    line = told(capsys, "resume", run.config, MORE, *others)
    assert all(f"'{other.split(' = ')[0]}'" in line for other in others)
    road.call("resume", run.config, MORE, f"resume.allow = [{names}]", *others)
    assert len(state(run)["history"]["train/loss"]) == 2
    assert "and '*-0000[0-4]_*' now" in told(capsys, "resume", run.config, MORE, *others[1:])


def test_nothing_may_change_if_nothing_is_allowed(run, capsys):
    line = told(capsys, "resume", run.config, MORE, "resume.allow = []")
    assert "train.num_epochs is 1 in the checkpoint and 2 now" in line
    assert line.endswith("or bind resume.allow = ['train.num_epochs'] if it may change.")


def test_another_schedule_holds_from_there(run):
    road.call("resume", run.config, MORE, STALLED, "ReduceLROnPlateau.factor = 0.25")
    reached = state(run)
    assert reached["kept"]["lr_scheduler"]["threshold"] == 1e9
    assert reached["kept"]["lr_scheduler"]["last_epoch"] == 2
    assert reached["optimizer"]["param_groups"][0]["lr"] == pytest.approx(1e-3 * 0.25)


def test_another_kind_of_schedule_goes_on_at_the_same_epoch(run):
    steps = (
        "add_lr_scheduler_handler.scheduler = @StepLR",
        "StepLR.step_size = 2",
        "StepLR.gamma = 0.1",
    )
    road.call("resume", run.config, MORE, *steps)
    assert state(run)["optimizer"]["param_groups"][0]["lr"] == pytest.approx(1e-4)


def test_another_learning_rate_takes_what_the_schedule_did_along(run):
    road.call("resume", run.config, MORE, STALLED, "ReduceLROnPlateau.factor = 0.5")
    allow = "resume.allow = ['train.num_epochs', 'add_lr_scheduler_handler', 'torch.optim.Adam.lr']"
    plain = ("ReduceLROnPlateau.patience = 9", "torch.optim.Adam.lr = 1e-4")
    road.call("resume", run.config, "train.num_epochs = 3", allow, *plain)
    assert state(run)["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0.5e-4)


def test_a_checkpoint_without_a_passport_is_read_as_before(run, capsys):
    content = state(run)
    del content["kept"]["lr_scheduler"]["begun"]
    torch.save(content, run.latest)
    line = told(capsys, "resume", run.config, "NamedLike.patterns = '*-0000[5-9]_*'", MORE)
    assert "latest.pth was written when training on other tracks than train.train_data has" in line
    road.call("resume", run.config, MORE, "train.seed = 5")
    assert "passport" in torch.load(run.latest, weights_only=True)
