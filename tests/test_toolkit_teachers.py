"""Other toolkits' models as teachers of a waveform network, through whole bootstraps."""

import pandas as pd
import pytest
import soundfile

from audition.files import read_json
from audition.reports.report_card import OVERALL
from audition.runs.folder import Run
from audition.separators import load_separator
from tests.support import music, road, toolkits, training

WHY = "needs pip install --no-deps -r requirements-peers.txt"
SMALL = [
    "ConvTasNet.num_filters = 8",
    "ConvTasNet.bottleneck_channels = 8",
    "ConvTasNet.hidden_channels = 8",
    "ConvTasNet.num_blocks = 1",
    "ConvTasNet.num_repeats = 1",
    "train.batch_size = 2",
    "train.excerpt_seconds = 1.0",
    "train.epoch_length = 2",
    "train.num_epochs = 1",
    "train.num_data_workers = 0",
    "segment_and_separate.window_seconds = 6.0",
    "segment_and_separate.hop_seconds = 6.0",
    "segment_and_separate.num_workers = 0",
    "evaluate.num_workers = 0",
]


def bootstrapped(recipe, songs, out, *bindings):
    """The Run of a bootstrap that went through its round."""
    paths = [f"MUSDB_PREPARED = '{songs}'", f"CACHE_ROOT = '{out / 'cache'}'"]
    folder = f"instantiate.output_folder = '{out / 'out'}'"
    road.call("instantiate", *recipe, *paths, *SMALL, *bindings, folder)
    run = Run(out / "out/run0")
    road.call("bootstrap", run.config)
    return run


def assert_reported(run, kind, num_segments, sources):
    rounds = pd.read_csv(run.folder / "rounds.csv")
    assert rounds["round"].tolist() == ["round0", "round1"]
    assert rounds["segments"].tolist() == rounds["chosen"].tolist() == [0, num_segments]
    assert rounds[[OVERALL, *sources]].notna().all(axis=None)
    assert "round1" in (run.folder / "bootstrap.txt").read_text()
    of_round_0 = read_json(run.round(0).evaluation)["separator"]
    of_segments = read_json(run.round(1).segments / "segments.json")["separator"]
    assert of_segments["settings"]["separator"] == of_round_0  # by weights and version
    assert of_round_0["class"] == kind
    assert {"weights", "versions"} <= set(of_round_0["settings"])


def test_a_network_learns_from_a_model_of_asteroid(prepared_songs, tmp_path, monkeypatch, capsys):
    pytest.importorskip("asteroid.models", reason=WHY)
    toolkits.write_asteroid(tmp_path / "teacher.pth", monkeypatch, sample_rate=16000)
    run = bootstrapped(
        ["toy/env.gin", "musdb/musdb.gin", "toy/exp/music/asteroid_teacher.gin"],
        prepared_songs,
        tmp_path,
        "TEACHER = @AsteroidModel()",
        f"AsteroidModel.path_or_hub_name = '{tmp_path / 'teacher.pth'}'",
    )
    assert_reported(run, "AsteroidModel", 3, music.SOURCES)
    sentence = training.told(
        capsys,
        "segment_and_separate",
        run.round(1).config,
        f"segment_and_separate.folder = '{tmp_path / 'measured'}'",
        "segment_and_separate.measures = ['silhouette']",
    )
    assert (
        "AsteroidModel has no features to measure a confidence on: bind measures = ()" in sentence
    )


def test_a_network_learns_four_stems_from_a_model_of_demucs(tmp_path, monkeypatch):
    """Songs at 44.1 kHz; the teacher works at 8 kHz."""
    pytest.importorskip("demucs", reason=WHY)
    toolkits.write_demucs(tmp_path / "demucs", monkeypatch)
    songs = music.render(tmp_path)
    music.prepare(songs, tmp_path / "stems", sample_rate=44100, num_channels=2)
    run = bootstrapped(
        ["toy/env.gin", "musdb/musdb44k.gin", "musdb/exp/demucs_teacher.gin"],
        tmp_path / "stems",
        tmp_path,
        "DemucsModel.name = 'net0'",
        f"DemucsModel.folder = '{tmp_path / 'demucs'}'",
        "ConvTasNet.kernel_size = 64",
        "ConvTasNet.stride = 32",
    )
    assert_reported(run, "DemucsModel", 3, sorted(toolkits.STEMS))
    segment = next((run.round(1).segments / "s3").glob("*.wav"))
    assert soundfile.info(segment).samplerate == 44100
    assert soundfile.info(segment).channels == 2
    separate = load_separator(run.round(1).folder)
    assert separate(soundfile.read(segment)[0].T, 44100).shape[:2] == (4, 2)
