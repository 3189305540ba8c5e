"""Excerpts that grow from epoch to epoch, and batches that shrink."""

import gin
import pytest
from ignite.engine import Events

from audition.datasets import EpochBatches, Excerpts
from audition.datasets.excerpts import Stage
from tests.support import road, voices
from tests.support.training import assert_same, state, told

GROWING = (
    "train.handlers = [@add_note_batches]",
    "train.curriculum = {1: {'excerpt_frames': 10, 'batch_size': 6}, 3: {'excerpt_frames': 20}}",
    "train.epoch_length = 2",
    "train.num_epochs = 4",
)
WITHOUT_STATISTICS = (
    "train.model_config = None",
    "train.model = @ConvTasNet()",
    "ConvTasNet.num_sources = 2",
    "ConvTasNet.num_filters = 16",
    "ConvTasNet.bottleneck_channels = 8",
    "ConvTasNet.hidden_channels = 8",
    "ConvTasNet.skip_channels = 8",
    "ConvTasNet.num_repeats = 1",
    "ConvTasNet.num_blocks = 2",
    "train.features = @WaveformFeatures()",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.2",
    "train.loss_dictionary = {'PermutationInvariantLoss': {'args': ['SISDRLoss']}}",
)
NOTED = []  # of each iteration: its number, the size of its batch, the length of its excerpts
STAGES = (Stage(0, 0, 3, 500), Stage(4, 12, 2, 900))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return voices.open_corpus(voices.write_corpus(folder, 4, seconds=0.5))


def test_batches_go_on_where_the_stage_before_ended():
    whole = list(EpochBatches(3, 2, 0, 3, STAGES))
    assert whole == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13], [14, 15]]
    assert list(EpochBatches(3, 2, 3, 3, STAGES)) == whole[3:]


def test_which_item_and_where_does_not_depend_on_the_length(corpus):
    """Only the spare samples, in which a position is drawn, do."""
    staged, constant = Excerpts(corpus, 900, 0, STAGES), Excerpts(corpus, 900, 0)
    for index in range(20):
        one, other = staged.place(index), constant.place(index)
        assert one.item == other.item
        assert one.num_samples == (500 if index < 12 else 900)
        item, position = constant.item_and_position(index)
        num_places = constant.waveforms(item)[0].shape[-1] - one.num_samples + 1
        assert one.start_sample == int(position * num_places)
    assert staged.__getitems__([0, 1])["mix"].shape[-1] == 500
    assert staged[12]["sources"].shape[-1] == 900


@gin.register
def add_note_batches(training, found=NOTED):
    def note(engine):
        mix = engine.state.batch["mix"]
        found.append((engine.state.iteration, len(mix), mix.shape[-1]))

    training.trainer.add_event_handler(Events.ITERATION_COMPLETED, note)


def test_each_epoch_has_its_excerpts(instantiate):
    NOTED.clear()
    (run,) = instantiate(*GROWING)
    road.call("train", run.config)
    samples = {10: 9 * 64, 20: 19 * 64}
    expected = [(n, 6, samples[10]) for n in (1, 2, 3, 4)]
    assert expected + [(n, 6, samples[20]) for n in (5, 6, 7, 8)] == NOTED


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resume_in_the_middle_goes_on_bit_for_bit(instantiate, num_workers):
    workers = f"train.num_data_workers = {num_workers}"
    instantiate(*GROWING, workers)
    parted, whole = instantiate(*GROWING, workers)
    road.call("train", whole.config)
    for num_epochs in (1, 3):
        road.call("resume", parted.config, f"train.num_epochs = {num_epochs}")
    road.call("resume", parted.config)
    assert_same(state(parted), state(whole))


def test_validation_keeps_its_excerpts(instantiate):
    still = ("torch.optim.Adam.lr = 0.0", "train.handlers = []", "train.epoch_length = 1")
    curriculum = "train.curriculum = {2: {'excerpt_seconds': 0.1}}"
    (run,) = instantiate(*GROWING, *still, curriculum, "train.num_epochs = 3", *WITHOUT_STATISTICS)
    road.call("train", run.config)
    assert len(set(state(run)["history"]["validation/loss"])) == 1


def test_another_curriculum_is_no_resume(instantiate, capsys):
    (run,) = instantiate(*GROWING)
    road.call("train", run.config, "train.num_epochs = 1")
    line = told(capsys, "resume", run.config, "train.curriculum = None")
    assert "train.curriculum is {'1': {'batch_size': 6, 'excerpt_frames': 10}, '3': {" in line


@pytest.mark.parametrize(
    ("curriculum", "sentence"),
    [
        ("{0: {'batch_size': 2}}", "must map epochs, from 1, to what holds from then on"),
        ("{1: 2.0}", "must map epochs, from 1, to what holds from then on, such as"),
        (
            "{2: {'seed': 3}}",
            "train.curriculum[2] has no setting 'seed'; it may have excerpt_seconds",
        ),
        (
            "{2: {'batch_size': 1.5}}",
            "train.curriculum[2]['batch_size'] = 1.5 must be above 0, and",
        ),
        (
            "{2: {'excerpt_seconds': 0}}",
            "train.curriculum[2]['excerpt_seconds'] = 0 must be above 0",
        ),
        ("{2: {'excerpt_frames': 1}}", "is too short: raise train.excerpt_frames"),
    ],
)
def test_what_is_no_curriculum_is_told(instantiate, capsys, curriculum, sentence):
    (run,) = instantiate("train.handlers = []")
    assert sentence in told(capsys, "train", run.config, f"train.curriculum = {curriculum}")
