"""all finds out before the first epoch what evaluate would refuse after the last."""

import pytest

from audition.commands import pipelines
from audition.errors import ConfigError
from tests.support import corpora, road
from tests.support.training import QUICK, assert_same, state, told

FEWER_SOURCES = (
    "test/WHAM.transform = @test/KeepSources()",
    "test/KeepSources.names = ['s1']",
)
OWN_METRIC = """
import gin
from audition.errors import ConfigError
from audition.metrics import Metric

@gin.register
class Fails(Metric):
    error = ValueError

    def score(self, references, estimates, mix):
        raise self.error("no such score")

@gin.register
class Refuses(Fails):
    error = ConfigError
"""


@pytest.mark.parametrize(
    ("bindings", "sentence"),
    [
        (("evaluate.separator = @WaveformEstimation()",), "needs a network that returns 'audio'"),
        (("evaluate.metrics = []",), "evaluate.metrics is empty"),
        (FEWER_SOURCES, "BSSEvalScale.compute_permutation = True to score the best match"),
    ],
)
def test_what_evaluate_would_refuse_is_told_before_the_first_epoch(
    instantiate, capsys, bindings, sentence
):
    (run,) = instantiate(*QUICK, "BSSEvalScale.compute_permutation = False")
    line = told(capsys, "all", run.config, *bindings)
    assert sentence in line
    assert "evaluate would end like this once the network is trained, so mend it first" in line
    assert not run.checkpoints.exists()


def test_other_channels_are_told_before_the_first_epoch(instantiate, tmp_path, capsys):
    folder = corpora.write_folders(tmp_path / "stereo", stems=("s1", "s2"))
    stereo = (
        "test/build_dataset.dataset = @test/MixSourceFolder()",
        f"test/MixSourceFolder.folder = '{folder}'",
        "test/MixSourceFolder.sample_rate = 8000",
        "test/MixSourceFolder.stft_params = @STFTParams()",
    )
    (run,) = instantiate(*QUICK)
    line = told(capsys, "all", run.config, *stereo)
    assert "was trained on 1 channel(s), but the test data has 2" in line
    assert not run.checkpoints.exists()


@pytest.fixture
def own_metric(tmp_path, monkeypatch):
    (tmp_path / "rehearsed_metric.py").write_text(OWN_METRIC)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own.gin"
    path.write_text("import rehearsed_metric\nevaluate.metrics = [@Refuses()]\n")
    return path


def test_a_metric_that_refuses_is_told_and_one_that_fails_is_a_warning(
    instantiate, own_metric, capsys
):
    (run,) = instantiate(own_metric, *QUICK)
    assert "no such score; evaluate would end like this" in told(capsys, "all", run.config)
    assert not run.checkpoints.exists()
    failing = "evaluate.metrics = [@Fails()]"
    assert road.call("all", run.config, failing, check=False) == 1
    output = capsys.readouterr()
    told_before, trained, _ = (output.out + output.err).partition(" epoch | ")
    assert trained and "(ValueError: no such score); look whether it will" in told_before


def test_a_rehearsal_changes_no_weight(instantiate):
    instantiate("train.num_epochs = 1")
    one, other = instantiate("train.num_epochs = 1")
    road.call("train", one.config)
    road.call("all", other.config)
    assert_same(state(one), state(other))


def test_what_is_refused_after_the_training_says_how_to_go_on(instantiate, capsys, monkeypatch):
    (run,) = instantiate(*QUICK)
    evaluate = pipelines.evaluate

    def refuse_at_last(run, network=None):
        if network is None:
            raise ConfigError("there is no such score.")

    monkeypatch.setattr(pipelines, "evaluate", refuse_at_last)
    line = told(capsys, "all", run.config)
    assert "there is no such score; the network is trained, and resume goes on from here" in line
    before = (run.checkpoints / "latest.pth").read_bytes()
    monkeypatch.setattr(pipelines, "evaluate", evaluate)
    road.call("resume", run.config)
    assert (run.checkpoints / "latest.pth").read_bytes() == before
    assert run.report_card_txt.exists()
