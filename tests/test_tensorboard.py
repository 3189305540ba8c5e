"""What TensorBoard shows of a run: the HParams tab, and validation items to hear and to look at."""

import functools
import io

import gin
import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from audition.commands.train import train
from audition.features import SpectrogramFeatures, WaveformFeatures
from audition.handlers import add_validation_examples
from audition.handlers.examples import magnitude, spectrogram
from audition.reports.report_card import overall_means, score_table
from audition.runs.folder import Run
from audition.separators import MaskEstimation, WaveformEstimation
from tests.support import road, voices
from tests.support.training import QUICK, assert_same, events, state, told
from tests.support.voices import SAMPLE_RATE, signal

SWEEP = "sweep.parameters = {'torch.optim.Adam.lr': [1e-3, 1e-4], 'train.remix': [None]}"


def rows(out_folder):
    """dict, name of a row of the HParams tab → (swept values, metrics), by TensorBoard's own code."""
    runs = EventMultiplexer()
    runs.AddRunsFromDirectory(str(out_folder)).Reload()
    backend = Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(out_folder))))
    request = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=api_pb2.Status.values(), start_index=0, slice_size=100
    )
    groups = Handler(RequestContext(), backend, "", request).run().session_groups
    assert all(len(group.sessions) == 1 for group in groups)
    return {group.name: (values(group), metrics(group)) for group in groups}


def values(group):
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in group.hparams.items()}


def metrics(group):
    return {value.name.tag: value.value for value in group.metric_values}


def test_the_hparams_tab_compares_the_runs_of_a_sweep(instantiate):
    runs = instantiate(*QUICK, SWEEP)
    for run in runs:
        road.call("all", run.config)
    road.call("debug", runs[0].config)  # no part of the sweep
    table = rows(runs[0].folder.parent)
    assert list(table) == [run.label for run in runs]
    for run, rate in zip(runs, (1e-3, 1e-4), strict=True):
        point, numbers = table[run.label]
        assert point == {"torch.optim.Adam.lr": rate, "train.remix": "None"}
        scores = {f"test/{name}": mean for name, mean in overall_means(score_table(run)).items()}
        assert "test/SI-SDRi" in scores
        assert numbers == pytest.approx({"best/validation/loss": state(run)["best"], **scores})


def test_a_row_shows_the_latest_numbers_however_often_a_run_is_taken_up(instantiate):
    (run,) = instantiate(*QUICK, "sweep.parameters = {'train.seed': [3]}")
    road.call("train", run.config)
    first = state(run)["best"]
    done = road.spawn("resume", "-c", run.config, "-b", "train.num_epochs = 3")
    assert done.returncode == 0, done.stderr
    ((point, numbers),) = rows(run.folder.parent).values()
    assert point == {"train.seed": 3}
    assert numbers["best/validation/loss"] == pytest.approx(state(run)["best"])
    assert state(run)["best"] < first
    assert numbers["test/SI-SDRi"] == pytest.approx(score_table(run)["SI-SDRi"].mean())


# examples ------------------------------------------------------------------------

EXAMPLES = (
    "train.handlers = [@add_validation_examples]",
    "add_validation_examples.separator = @MaskEstimation()",
    "add_validation_examples.every_epochs = 2",
    "add_validation_examples.max_seconds = 0.5",
)


def test_examples_can_be_heard_and_seen(instantiate, speech):
    (run,) = instantiate("train.num_epochs = 5", *EXAMPLES)
    road.call("train", run.config)
    found = events(run)
    items = sorted(path.stem for path in (speech / "wav8k/min/cv/mix_clean").glob("*.wav"))[:2]
    parts = ("mix", "s1", "s2", "estimate0", "estimate1")
    tags = sorted(f"examples/{item}/{part}" for item in items for part in parts)
    assert sorted(found.Tags()["audio"]) == sorted(found.Tags()["images"]) == tags
    for tag in tags:
        steps = [6, 12] if "estimate" in tag else [6]  # three iterations an epoch
        assert [event.step for event in found.Audio(tag)] == steps
        assert [event.step for event in found.Images(tag)] == steps

    source = speech / "wav8k/min/cv/s1" / f"{items[0]}.wav"
    whole, rate = soundfile.read(source)
    heard, heard_rate = soundfile.read(io.BytesIO(audio(found, f"examples/{items[0]}/s1")))
    start = (len(whole) - rate // 2) // 2
    assert heard_rate == rate
    np.testing.assert_allclose(heard, whole[start : start + rate // 2], atol=1e-4)
    image = Image.open(io.BytesIO(found.Images(f"examples/{items[0]}/s1")[0].encoded_image_string))
    assert image.size == signal(heard[None]).stft().shape[1::-1]


def test_a_spectrogram_is_in_decibels_below_the_loudest_bin():
    hertz = 1000
    tone = np.sin(2 * np.pi * hertz * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    stereo = signal(np.stack([tone, tone]))
    loudest = magnitude(stereo).max()
    image = spectrogram(stereo, loudest)
    assert (image.min(), image.max()) == (0, 1)
    assert set(image[:, 20:-20].argmax(axis=0)) == {128 - hertz // (SAMPLE_RATE // 256)}
    quieter = spectrogram(stereo * 0.1, loudest)
    assert quieter.max() == pytest.approx(1 - 20 / 80)
    assert spectrogram(stereo * 0, 0.0).max() == 0


def audio(found, tag, place=0):
    return found.Audio(tag)[place].encoded_audio_string


def test_examples_are_of_the_network_as_it_is(instantiate):
    """The last epoch's equal what the separator makes of the checkpoint written after it."""
    (run,) = instantiate("train.num_epochs = 2", *EXAMPLES)
    road.call("train", run.config)
    gin.clear_config()
    found = events(run)
    tag = next(tag for tag in found.Tags()["audio"] if tag.endswith("/estimate1"))
    mix, rate = soundfile.read(io.BytesIO(audio(found, tag.replace("estimate1", "mix"))))
    separator = MaskEstimation("checkpoints/latest.model.pth").located(run.folder)
    mix = signal(mix[None], rate)
    (output,) = separator.on_device([mix], "cpu")
    expected = separator.separate(mix, output).estimates[1].audio_data[0]
    heard, _ = soundfile.read(io.BytesIO(audio(found, tag)))
    np.testing.assert_allclose(heard, expected, atol=2e-3)  # the mix was rounded to 16 bits
    assert np.abs(expected).max() > 0.02


@pytest.mark.parametrize("separator", ["MaskEstimation", "EmbeddingClustering"])
def test_examples_do_not_disturb_the_training(instantiate, separator):
    """Checkpoints with the handler and without are the same, random states and all."""
    plain = "train.num_epochs = 2"
    instantiate(plain, "train.handlers = []")
    bindings = (*EXAMPLES, f"add_validation_examples.separator = @{separator}()")
    runs = instantiate(
        plain, *bindings, "EmbeddingClustering.num_sources = 2",
        "add_validation_examples.every_epochs = 1",
    )  # fmt: skip
    for run in runs:
        road.call("train", run.config)
    assert_same(state(runs[0]), state(runs[1]))
    assert "examples" in str(events(runs[1]).Tags()["audio"])


STEREO_MASKS = {
    "features": SpectrogramFeatures(voices.STFT_PARAMS),
    "model_config": voices.CONFIGS["mask"](2),
    "loss_dictionary": {"L1Loss": {}},
}
WAVEFORMS = {
    "features": WaveformFeatures(),
    "model_config": voices.CONFIGS["audio"](1),
    "loss_dictionary": {"L1Loss": {"keys": {"audio": "input", "source_audio": "target"}}},
}


@pytest.mark.parametrize(
    ("num_channels", "separator", "settings"),
    [(2, MaskEstimation(), STEREO_MASKS), (1, WaveformEstimation(), WAVEFORMS)],
    ids=["masks in stereo", "waveforms"],
)
def test_examples_of_other_networks(tmp_path, num_channels, separator, settings):
    corpus = voices.open_corpus(
        voices.write_corpus(tmp_path / "data", 2, 0.6, num_channels), num_channels=num_channels
    )
    run = Run(tmp_path)
    show = functools.partial(add_validation_examples, separator=separator, every_epochs=1)
    train(
        run, corpus, corpus, optimizer=torch.optim.Adam, batch_size=2, num_epochs=1,
        excerpt_seconds=0.5, handlers=[show], num_threads=1, **settings,
    )  # fmt: skip
    found = events(run)
    for part in ("mix", "s2", "estimate0", "estimate1"):
        heard, rate = soundfile.read(io.BytesIO(audio(found, f"examples/track0/{part}")))
        assert (len(heard), rate) == (0.6 * rate, 8000)
        assert np.abs(heard).max() > 0
    expected = corpus[0]["mix"].audio_data.mean(axis=0)
    heard, _ = soundfile.read(io.BytesIO(audio(found, "examples/track0/mix")))
    np.testing.assert_allclose(heard, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("binding", "sentence"),
    [
        ("train.val_data = None", "shows items of train.val_data, which is None"),
        ("add_validation_examples.every_epochs = 0", "every_epochs = 0 must be at least 1"),
        (
            "add_validation_examples.separator = @WaveformEstimation()",
            "WaveformEstimation needs a network that returns 'audio', but train.model_config returns",
        ),
        (
            "add_validation_examples.separator = @nussl.separation.primitive.HPSS()",
            "NusslSeparator can't run the network in training: use @MaskEstimation()",
        ),
    ],
)
def test_examples_that_cannot_be_made_are_told_before_the_training(
    instantiate, capsys, binding, sentence
):
    (run,) = instantiate(*EXAMPLES)
    assert sentence in told(capsys, "train", run.config, binding)
    assert not run.checkpoints.exists()
