"""train and debug as a person calls them: what they leave, and the sentence for each mistake."""

import csv
import dataclasses
import gc
import inspect
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from audition.commands.train import train
from audition.files import read_json
from audition.training.settings import Settings
from tests.support import road
from tests.support.training import EXPLODING, QUICK, assert_same, state, told

STILL = "torch.optim.Adam.lr = 0.0"  # the weights stay where they began
MASKS = "PermutationInvariantLoss"
ONE_LOSS = f"train.loss_dictionary = {{'{MASKS}': {{'args': ['L1Loss']}}}}"


@pytest.fixture
def run(instantiate):
    """The tiny experiment, one epoch, no handlers."""
    (run,) = instantiate(*QUICK)
    return run


def spawned(run, *bindings, command="train", **settings):
    """As `told`, of a process of its own; settings go to subprocess.run."""
    words = road.arguments(command, run.config, *bindings)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "main.py", *words],
        cwd=road.ROOT, env=environment, capture_output=True, text=True, **settings,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("main.py ")]
    assert done.stderr.count(line.split(": ", 1)[1]) == 1
    return line


def weights(path):
    """The learned weights in a checkpoint, without what BatchNorm counts."""
    is_model = path.name.endswith(".model.pth")
    both = load_file(path) if is_model else torch.load(path, weights_only=True)["model"]
    learned = (name for name in sorted(both) if name.endswith(("weight", "bias")))
    return {name: both[name] for name in learned}


def scalars(run, name):
    """Values of a scalar, over all the times the run was taken up."""
    folders = sorted(run.logs.glob("[0-9]*/"))
    events = [EventAccumulator(str(folder)).Reload() for folder in folders]
    return [event.value for one in events for event in one.Scalars(name)]


# what a training leaves ----------------------------------------------------------


def test_a_training_leaves_checkpoints_history_logs_and_progress(run):
    road.call("train", run.config, "train.num_epochs = 2", "train.save_every_epochs = 2")
    names = sorted(path.name for path in run.checkpoints.iterdir())
    assert names == [
        "best.model.pth",
        "epoch2.model.pth",
        "latest.model.pth",
        "latest.pth",
        "previous.pth",
    ]
    history = state(run)["history"]
    losses = ("loss", "WhitenedKMeansLoss", MASKS)
    assert sorted(history) == sorted(
        f"{part}/{name}" for part in ("train", "validation") for name in losses
    )
    assert all(len(values) == 2 for values in history.values())
    assert state(run)["best"] == min(history["validation/loss"])
    progress = read_json(run.folder / "progress.json")
    assert (progress["epoch"], progress["num_epochs"]) == (2, 2)
    assert progress["loss"] == history["validation/loss"][-1]
    assert "Adam.lr = 0.001" in run.operative("train").read_text()
    (log,) = run.logs.glob("*.train.log")
    table = [line.split("INFO")[1] for line in log.read_text().splitlines() if " | " in line]
    assert table[0].split("|")[0].strip() == "epoch"
    assert [line.split("|")[0].strip() for line in table[1:]] == ["1", "2"]
    assert table[1].strip().endswith("best so far")


def test_a_config_runs_twice_to_the_same_weights(instantiate):
    instantiate(*QUICK)
    runs = instantiate(*QUICK)
    for run in runs:
        road.call("train", run.config)
    assert_same(state(runs[0]), state(runs[1]))


def test_another_seed_gives_other_weights(instantiate):
    runs = instantiate(*QUICK, STILL, "sweep.parameters = {'train.seed': [0, 1]}")
    for run in runs:
        road.call("train", run.config)
    first, second = (weights(run.checkpoints / "latest.pth") for run in runs)
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_the_same_excerpts_whatever_the_number_of_workers(instantiate):
    runs = instantiate(*QUICK, "sweep.parameters = {'train.num_data_workers': [0, 1, 3]}")
    for run in runs:
        road.call("train", run.config)
    for run in runs[1:]:
        assert_same(state(runs[0]), state(run))


def test_data_workers_end_with_the_training(run):
    road.call("train", run.config, "train.num_data_workers = 2")
    began = time.monotonic()
    gc.collect()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - began < 4  # PyTorch gives each that hangs five seconds


def test_a_cache_changes_nothing_but_the_speed(instantiate):
    instantiate(*QUICK)
    runs = instantiate(*QUICK)
    road.call("train", runs[0].config)
    road.call("cache", runs[1].config)
    road.call("train", runs[1].config)
    assert_same(state(runs[0])["history"], state(runs[1])["history"])


def test_epoch_length_is_free_of_the_corpus(run):
    road.call("train", run.config, "train.epoch_length = 7", "train.num_epochs = 2")
    assert (state(run)["iteration"], state(run)["epoch_length"]) == (14, 7)
    iterations = scalars(run, "iteration/loss")
    means = [sum(iterations[:7]) / 7, sum(iterations[7:]) / 7]
    assert state(run)["history"]["train/loss"] == pytest.approx(means, rel=1e-5)


def test_a_batch_larger_than_the_corpus(run):
    road.call("train", run.config, "train.batch_size = 16", "train.val_batch_size = 3")
    assert state(run)["iteration"] == 1


def test_the_validation_loss_does_not_depend_on_its_batch_size(instantiate):
    runs = instantiate(*QUICK, ONE_LOSS, "sweep.parameters = {'train.val_batch_size': [3, 4]}")
    for run in runs:
        road.call("train", run.config)
    first, second = (state(run)["history"]["validation/loss"] for run in runs)
    assert first == pytest.approx(second, rel=1e-5)


def test_without_validation_data_the_training_loss_is_monitored(run):
    road.call("train", run.config, "train.val_data = None", "train.num_epochs = 2")
    history = state(run)["history"]
    assert not [name for name in history if name.startswith("validation/")]
    assert state(run)["best"] == min(history["train/loss"])
    assert (run.checkpoints / "best.model.pth").exists()


def test_an_excerpt_in_seconds_equals_one_in_frames(instantiate):
    in_frames, in_seconds = instantiate(
        "sweep.parameters = {'train.excerpt_frames': [40, None]}", *QUICK
    )
    road.call("train", in_frames.config)
    road.call("train", in_seconds.config, f"train.excerpt_seconds = {39 * 64 / 8000}")
    assert_same(state(in_frames)["history"], state(in_seconds)["history"])


def test_a_loss_dictionary_of_the_validation_alone(run):
    road.call(
        "train", run.config, f"train.val_loss_dictionary = {{'{MASKS}': {{'args': ['MSELoss']}}}}"
    )
    history = state(run)["history"]
    assert "validation/WhitenedKMeansLoss" not in history
    assert history["validation/loss"] == history[f"validation/{MASKS}"]


def test_losses_multiplied(run):
    road.call("train", run.config, "train.loss_combination = 'combine_by_multiply'")
    both = [scalars(run, f"iteration/{name}") for name in ("WhitenedKMeansLoss", MASKS)]
    products = [one * other for one, other in zip(*both, strict=True)]
    assert scalars(run, "iteration/loss") == pytest.approx(products, rel=1e-5)


# debug ---------------------------------------------------------------------------


def test_debug_overfits_one_item_and_keeps_its_audio(instantiate):
    (run,) = instantiate(
        "train.handlers = []",
        ONE_LOSS,
        "build_recurrent_chimera.dropout = 0.0",
        "build_recurrent_chimera.hidden_size = 40",
        "torch.optim.Adam.lr = 5e-3",
        "train.excerpt_frames = 100",
        "debug.num_iterations = 150",
        "debug.item = 3",
    )
    road.call("debug", run.config)
    (folder,) = (run.folder / "debug").iterdir()
    losses = scalars(type(run)(folder), "iteration/loss")
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    audio = sorted(path.name for path in (folder / "audio" / folder.name).iterdir())
    assert audio == ["s1.wav", "s2.wav"]
    assert "1 track" in (folder / "report_card.txt").read_text()
    (result,) = (folder / "results").glob("*.json")
    scores = read_json(result)
    improvement = [scores[name]["SI-SDRi"][0] for name in ("s1", "s2")]
    assert min(improvement) > 1 and sum(improvement) / 2 > 3, improvement
    assert not run.checkpoints.exists()


# starting from other weights ------------------------------------------------------


def test_init_from_a_run_or_a_file_starts_from_exactly_its_weights(instantiate, tmp_path):
    (first,) = instantiate(*QUICK)
    road.call("train", first.config)
    file = shutil.copy(first.checkpoints / "best.model.pth", tmp_path / "elsewhere.model.pth")
    expected = weights(file)
    for place, source in enumerate((first.folder, file)):
        run = instantiate(*QUICK, STILL, f"train.init_from = '{source}'", "train.seed = 5")[-1]
        road.call("train", run.config)
        assert_same(weights(run.checkpoints / "latest.pth"), expected), place
        assert state(run)["iteration"] == 3  # an epoch of its own


def test_a_resume_no_longer_needs_what_init_from_named(instantiate):
    (first,) = instantiate(*QUICK)
    road.call("train", first.config)
    start = f"train.init_from = '{first.folder}'"
    instantiate(*QUICK, start)
    _, parted, whole = instantiate(*QUICK, start)
    road.call("train", whole.config, "train.num_epochs = 2")
    road.call("train", parted.config)
    shutil.rmtree(first.folder)
    road.call("resume", parted.config, "train.num_epochs = 2")
    assert_same(state(parted), state(whole))


def test_init_from_another_architecture_names_the_parameter(instantiate, capsys):
    (first,) = instantiate(*QUICK)
    road.call("train", first.config)
    wider = "build_recurrent_chimera.hidden_size = 21"
    run = instantiate(*QUICK, wider, f"train.init_from = '{first.folder}'")[-1]
    line = told(capsys, "train", run.config)
    assert (
        "holds another architecture: layers.recurrent_stack.rnn.weight_ih_l0 is (80, 129)" in line
    )
    assert "train.model_config must be the one it was trained with" in line


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nowhere", "There is no trained model at nowhere"),
        ("config.gin", "train.init_from can't be loaded: "),
    ],
)
def test_init_from_what_is_no_model_is_told(run, capsys, source, sentence):
    road.call("train", run.config)
    shutil.rmtree(run.checkpoints)
    source = {"config.gin": run.config}.get(source, source)
    assert sentence in told(capsys, "train", run.config, f"train.init_from = '{source}'")


# resuming with other settings -----------------------------------------------------


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        ("build_recurrent_chimera.num_layers = 1", "holds another architecture: layers.recurrent"),
        (
            "build_recurrent_chimera.embedding_size = 9",
            "holds another architecture: layers.embedding",
        ),
        (
            "train.handlers = [@early_stopping]",
            "was written with the handlers [], but train.handlers now has ['early_stopping']",
        ),
        (
            "train.optimizer = @torch.optim.SGD",
            "written with the optimizer Adam, but train.optimizer is SGD",
        ),
    ],
)
def test_a_resume_with_other_settings_is_told_and_loses_nothing(run, capsys, binding, sentence):
    road.call("train", run.config)
    before = (run.checkpoints / "latest.pth").read_bytes()
    allow = "resume.allow = ['train']"  # else its passport refuses, see test_passport.py
    assert sentence in told(capsys, "resume", run.config, "train.num_epochs = 2", binding, allow)
    assert (run.checkpoints / "latest.pth").read_bytes() == before


def test_train_refuses_to_write_over_a_training(run, capsys):
    road.call("train", run.config)
    before = (run.checkpoints / "latest.pth").read_bytes()
    line = told(capsys, "train", run.config)
    assert "latest.pth exists already; run resume to continue from it, or delete" in line
    assert (run.checkpoints / "latest.pth").read_bytes() == before


def test_resume_of_a_finished_run_trains_no_more(run):
    road.call("train", run.config)
    before = (run.checkpoints / "latest.pth").read_bytes()
    road.call("resume", run.config)
    assert (run.checkpoints / "latest.pth").read_bytes() == before
    assert run.report_card_txt.exists()


def test_a_damaged_checkpoint_is_told(run, capsys):
    road.call("train", run.config)
    latest = run.checkpoints / "latest.pth"
    latest.write_bytes(latest.read_bytes()[:5000])
    run.previous.write_bytes(latest.read_bytes())
    line = told(capsys, "resume", run.config)
    assert (
        "previous.pth is damaged (reading it ends in " in line and "to start over, delete" in line
    )


# what goes wrong outside ----------------------------------------------------------


@pytest.mark.parametrize("room", [0.9, 0.02])
def test_a_disk_that_fills_leaves_the_checkpoint_before_it(run, room):
    """The system refuses to write files beyond a size: once the checkpoint, once everything."""
    road.call("train", run.config)
    latest = run.checkpoints / "latest.pth"
    before = latest.read_bytes()
    limit = int(room * len(before))
    line = spawned(
        run, "train.num_epochs = 2", command="resume",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert "could not be written (File too large)" in line
    assert latest.read_bytes() == before
    assert not [path for path in run.checkpoints.iterdir() if path.name.startswith(".")]
    road.call("resume", run.config, "train.num_epochs = 2")
    assert state(run)["iteration"] == 6


KILLER = """
import os, signal
import gin
from torch.utils.data import get_worker_info
from audition.datasets.transforms import KeepSources

@gin.register
class KillsItsWorker(KeepSources):
    def __call__(self, data):
        if get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(data)

@gin.register
class FailsInItsWorker(KeepSources):
    def __call__(self, data):
        if get_worker_info() is not None:
            for signal_of_source in data["sources"].values():
                signal_of_source.audio_data = signal_of_source.audio_data[:, :-5]
        return super().__call__(data)
"""


def with_own_transform(folder, monkeypatch, name):
    """A .gin file whose corpus goes through a class of a user's module."""
    (folder / "own_transforms.py").write_text(KILLER)
    monkeypatch.syspath_prepend(folder)
    path = folder / "own.gin"
    path.write_text(
        f"import own_transforms\nWHAM.transform = @{name}()\n{name}.names = %SOURCES\n"
        "train.num_data_workers = 2\n"
    )
    return path


def test_a_data_worker_that_is_killed_is_told(instantiate, tmp_path, monkeypatch, capsys):
    own = with_own_transform(tmp_path, monkeypatch, "KillsItsWorker")
    (run,) = instantiate(*QUICK, own)
    line = told(capsys, "train", run.config)
    assert "A data worker died" in line
    assert "lower train.num_data_workers or train.batch_size" in line


def test_a_mistake_found_in_a_data_worker_is_told(instantiate, tmp_path, monkeypatch, capsys):
    own = with_own_transform(tmp_path, monkeypatch, "FailsInItsWorker")
    (run,) = instantiate(*QUICK, own)
    line = told(capsys, "train", run.config)
    assert "s1 has 1 channels of" in line and "repair the file" in line


def test_a_loss_that_explodes_names_the_iteration(run, capsys):
    line = told(capsys, "train", run.config, *EXPLODING)
    assert "became nan in iteration 2; lower the learning rate or clip gradients" in line
    assert not run.checkpoints.exists()


def test_a_validation_loss_that_explodes_is_told(run, capsys):
    line = told(capsys, "train", run.config, *EXPLODING, "train.epoch_length = 1")
    assert "became nan" in line and "validation" in line
    assert not run.checkpoints.exists()


# settings ------------------------------------------------------------------------


def test_mixed_precision_runs_on_the_cpu(run):
    road.call("train", run.config, "train.mixed_precision = 'bfloat16'")
    mixed = state(run)
    assert all(value.dtype != torch.bfloat16 for value in mixed["model"].values())
    shutil.rmtree(run.checkpoints)
    road.call("train", run.config)
    (loss,), (exact,) = mixed["history"]["train/loss"], state(run)["history"]["train/loss"]
    assert loss == pytest.approx(exact, rel=0.05)
    assert loss != exact


def test_a_compiled_network_learns_the_same(instantiate):
    (run,) = instantiate(
        "train.handlers = []", "train.num_epochs = 1", ONE_LOSS,
        "train.model_config = @build_recurrent_mask_inference()",
        "build_recurrent_mask_inference.num_features = %NUM_FREQUENCIES",
        "build_recurrent_mask_inference.hidden_size = 4",
        "build_recurrent_mask_inference.num_layers = 1",
        "build_recurrent_mask_inference.bidirectional = False",
        "build_recurrent_mask_inference.dropout = 0.0",
        "build_recurrent_mask_inference.num_sources = 2",
        "build_recurrent_mask_inference.mask_activation = ['sigmoid']",
        "train.val_data = None",
    )  # fmt: skip
    road.call("train", run.config)
    plain = state(run)
    shutil.rmtree(run.checkpoints)
    road.call("train", run.config, "train.compile_model = True")
    compiled = state(run)
    assert list(compiled["model"]) == list(plain["model"])
    assert compiled["history"]["train/loss"] == pytest.approx(
        plain["history"]["train/loss"], rel=1e-3
    )


def test_a_gpu_that_is_not_there_is_told(run, capsys):
    line = told(capsys, "train", run.config, "train.device = 'cuda:93'")
    assert "device = 'cuda:93', but torch sees" in line


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        (
            "train.excerpt_seconds = 1.0",
            "Bind one of train.excerpt_frames and train.excerpt_seconds",
        ),
        (
            "train.excerpt_frames = None",
            "Bind one of train.excerpt_frames and train.excerpt_seconds",
        ),
        ("train.excerpt_frames = 0", "is too short: raise train.excerpt_frames"),
        ("train.mixed_precision = 'float8'", "must be None, 'bfloat16' or 'float16'"),
        ("train.batch_size = 0", "train.batch_size = 0 must be a whole number, at least 1"),
        ("train.num_epochs = 0", "train.num_epochs = 0 must be a whole number, at least 1"),
        ("train.num_epochs = 1.5", "train.num_epochs = 1.5 must be a whole number, at least 1"),
        ("train.num_epochs = '3'", "train.num_epochs = '3' must be a whole number, at least 1"),
        ("train.num_data_workers = -1", "train.num_data_workers = -1 must be at least 0"),
        ("train.loss_combination = 'sum'", "train.loss_combination = 'sum' is neither"),
        ("train.loss_dictionary = {'L3Loss': {}}", "train.loss_dictionary can't be used"),
        ("train.val_loss_dictionary = {'L3Loss': {}}", "train.val_loss_dictionary can't be used"),
        ("train.loss_dictionary = {'SISDRLoss': {}}", "needs 'audio', which neither the model nor"),
        (
            "train.features = @WaveformFeatures()",
            "WaveformFeatures has no frames; bind train.excerpt_s",
        ),
        ("train.mixed_precision = 'float16'", "'float16' needs a GPU"),
    ],
)
def test_a_mistake_in_a_setting_is_told_and_leaves_no_checkpoint(run, capsys, binding, sentence):
    assert sentence in told(capsys, "train", run.config, binding)
    assert not run.checkpoints.exists()


def test_item_losses_of_the_road_name_the_tracks(instantiate, speech):
    (run,) = instantiate("train.num_epochs = 1")
    road.call("train", run.config)
    with open(run.logs / "item_losses.csv") as file:
        items = {row["item"] for row in csv.DictReader(file)}
    assert items == {path.stem for path in (speech / "wav8k/min/tr/mix_clean").glob("*.wav")}


def test_another_epoch_length_is_no_resume(run, capsys):
    road.call("train", run.config, "train.num_epochs = 1")
    line = told(capsys, "resume", run.config, "train.epoch_length = 7")
    assert "train.epoch_length is 3 in the checkpoint and 7 now" in line
    line = told(capsys, "resume", run.config, "train.epoch_length = 7", "resume.allow = ['train']")
    assert "was written with 3 iterations per epoch, but now there are 7" in line


def test_the_settings_are_what_train_is_called_with():
    arguments = inspect.signature(train).parameters
    assert [one.name for one in dataclasses.fields(Settings)] == list(arguments)
