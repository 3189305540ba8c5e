"""Learning without ground truth, in rounds: what it leaves, that kills lose nothing, its tables."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from audition import configs, registry
from audition.bootstrap import rounds
from audition.bootstrap.summary import Round, quintile_table, round_table, tables_text
from audition.errors import ConfigError
from audition.files import read_json
from audition.runs.folder import Run
from audition.runs.status import is_complete, read_status
from tests.support import music, road

OF_ONE_SONG = [*music.BOOTSTRAP[:-1], "toy/exp/music/one_song.gin"]


def test_each_round_is_a_run_folder_taught_by_the_one_before(bootstrapped):
    rounds = [Run(bootstrapped.folder / f"round{number}") for number in range(3)]
    assert all(one.config.is_file() and one.report_card_csv.is_file() for one in rounds)
    assert all(is_complete(read_status(one)) for one in [bootstrapped, *rounds])
    teachers = [read_json(one.folder / "segments/segments.json")["separator"] for one in rounds[1:]]
    inner = [teacher["settings"]["separator"] for teacher in teachers]
    assert "EnsembleClustering" in inner[0]["class"]
    evaluated = read_json(rounds[1].folder / "evaluation.json")["separator"]
    assert inner[1] == evaluated  # the network of round 1, by the hash of its weights
    assert not any("bootstrap.rounds" in one.config.read_text() for one in rounds)


def test_only_the_confident_are_learned_from(bootstrapped):
    quintiles = pd.read_csv(bootstrapped.folder / "quintiles.csv")
    first = quintiles[quintiles["round"] == "round1"]
    assert first["segments"].sum() == 9
    assert first["chosen"].tolist() == [0, 0, *first["segments"].tolist()[2:]]
    assert first["lowest"].is_monotonic_increasing
    assert np.isfinite(first["SI-SDRi"]).all()


def test_a_complete_bootstrap_only_prints_its_tables(bootstrapped, capsys):
    before = (bootstrapped.folder / "round2/checkpoints/latest.pth").stat().st_mtime_ns
    road.call("bootstrap", bootstrapped.config)
    printed = capsys.readouterr().out
    assert (bootstrapped.folder / "bootstrap.txt").read_text() in printed
    assert printed.count("is complete") == 3
    assert (bootstrapped.folder / "round2/checkpoints/latest.pth").stat().st_mtime_ns == before


def kill_once(run, is_time):
    """Starts the bootstrap in a process of its own and kills it when `is_time()`."""
    command = [sys.executable, "main.py", "bootstrap", "-c", str(run.config)]
    output = run.folder.parent / "output.txt"
    quiet = {"stdout": output.open("w"), "stderr": subprocess.STDOUT}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=road.ROOT, env=environment, **quiet)
    while not is_time():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
            raise AssertionError(f"it ended before its time: {output.read_text()[-2000:]}")
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_kills_at_any_step_change_nothing(bootstrapped, prepared_songs, tmp_path):
    run = music.compile_bootstrap(prepared_songs, tmp_path / "out")
    first, second = run.folder / "round1", run.folder / "round2"
    kill_once(run, lambda: len(list(first.glob("segments/results/*.json"))) > 2)
    kill_once(run, (first / "checkpoints/latest.pth").exists)
    kill_once(run, (second / "chosen/selection.json").exists)
    road.call("bootstrap", run.config)
    for name in ("rounds.csv", "quintiles.csv"):
        expected = (bootstrapped.folder / name).read_text()
        assert (run.folder / name).read_text() == expected


def test_a_round_begun_with_other_settings_is_refused(bootstrapped, capsys):
    more = "train.num_epochs = 3"
    assert road.call("bootstrap", bootstrapped.config, more, check=False) == 2
    told = capsys.readouterr().err
    assert "round0/config.gin was compiled from other settings" in told
    assert "delete" in told


@pytest.fixture
def copied(bootstrapped, tmp_path):
    """The same bootstrap in a folder that a test may change."""
    return Run(shutil.copytree(bootstrapped.folder, tmp_path / "out/run0", symlinks=True))


def test_what_only_changes_the_speed_may_change(copied):
    faster = ["segment_and_separate.num_workers = 3", "segment_and_separate.batch_size = 1"]
    road.call("bootstrap", copied.config, *faster)
    text = (copied.folder / "round1/config.gin").read_text()
    assert all(binding in text for binding in faster)


@pytest.fixture
def own_songs(copied, prepared_songs, tmp_path):
    """`(bootstrap, songs)`, both copies that a test may change."""
    songs = Path(shutil.copytree(prepared_songs, tmp_path / "songs"))
    for config in copied.folder.rglob("config.gin"):
        config.write_text(config.read_text().replace(str(prepared_songs), str(songs)))
    return copied, songs


def test_songs_that_were_only_touched_are_the_same(own_songs, capsys):
    run, songs = own_songs
    for path in songs.rglob("*.wav"):
        path.touch()
    road.call("bootstrap", run.config)
    assert capsys.readouterr().out.count("is complete") == 3


def test_a_finished_bootstrap_notices_that_its_songs_changed(own_songs, capsys):
    run, songs = own_songs
    song = sorted(songs.glob("train/mixture/*.wav"))[0]
    audio, sample_rate = soundfile.read(song)
    soundfile.write(song, audio[::-1], sample_rate)
    assert road.call("bootstrap", run.config, check=False) == 2
    told = capsys.readouterr().err
    assert f"1 files of segment_and_separate.data, such as {song}, were changed or deleted" in told
    assert f"delete {run.folder / 'round1'} and the rounds after it" in told


def test_a_refusal_leaves_a_complete_run_complete(copied):
    assert road.call("bootstrap", copied.config, "train.seed = 5", check=False) == 2
    assert is_complete(read_status(copied))


def test_a_round_is_not_done_anew_under_the_one_it_taught(copied, capsys):
    first = copied.folder / "round1"
    shutil.copy(first / "checkpoints/latest.model.pth", first / "checkpoints/best.model.pth")
    assert road.call("bootstrap", copied.config, check=False) == 2
    assert f"delete {copied.folder / 'round2'} first" in capsys.readouterr().err


def test_resume_of_a_complete_round_leaves_it_complete(copied):
    first = Run(copied.folder / "round1")
    road.call("resume", first.config)
    assert rounds.is_done(first)
    road.call("bootstrap", copied.config)


def test_resume_of_an_unfinished_round_is_no_whole_round(copied):
    first = Run(copied.folder / "round1")
    first.round_record.unlink()
    road.call("resume", first.config)
    assert is_complete(read_status(first)) and not rounds.is_done(first)


@pytest.mark.parametrize("command", ["all", "resume"])
def test_a_bootstrap_is_not_taken_for_one_training(bootstrapped, capsys, command):
    before = read_status(bootstrapped)
    assert road.call(command, bootstrapped.config, check=False) == 2
    assert f"{command} is for a single training" in capsys.readouterr().err
    assert read_status(bootstrapped) == before


def test_a_score_that_is_none_is_told_before_anything_is_learned(prepared_songs, tmp_path, capsys):
    run = music.compile_bootstrap(prepared_songs, tmp_path / "out", "bootstrap.score = 'SDR'")
    assert road.call("bootstrap", run.config, check=False) == 2
    assert "bootstrap.score = 'SDR': round0 has no such score" in capsys.readouterr().err
    assert not (run.folder / "round1").exists()


def test_round_0_is_the_teacher_of_round_1():
    registry.register()
    name = "segment_and_separate.separator"
    configs.load([], (f"{name} = @PrimitiveEnsemble()",))
    assert rounds.first_teacher([{"train.seed": 1}]) == configs.raw_binding(name)
    assert rounds.first_teacher([{name: "another"}]) == "another"
    configs.load([])
    with pytest.raises(ConfigError, match="separator is required but not bound"):
        rounds.first_teacher([{}])


@pytest.mark.parametrize(
    ("binding", "told"),
    [
        ("bootstrap.rounds = None", "bootstrap.rounds must be a list of dicts"),
        ("bootstrap.rounds = [{'TEACHR': 1}]", "names the macro 'TEACHR'"),
        ("bootstrap.rounds = [{'tran.seed': 1}]", "did you mean 'train'"),
        ("bootstrap.score = 'SDR'", "bootstrap.score = 'SDR'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(bootstrapped, capsys, binding, told):
    assert road.call("bootstrap", bootstrapped.config, binding, check=False) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line


def test_a_network_adapts_to_one_song(bootstrapped, prepared_songs, tmp_path):
    network = bootstrapped.folder / "round1"
    model = network / "checkpoints/best.model.pth"
    run = music.compile_bootstrap(
        prepared_songs,
        tmp_path / "out",
        f"teacher/MaskEstimation.model_path = '{model}'",
        f"train.init_from = '{network}'",
        recipe=OF_ONE_SONG,
    )
    road.call("bootstrap", run.config)
    scores = [pd.read_csv(one) for one in sorted(run.folder.glob("round*/report_card.csv"))]
    assert [len(one) for one in scores] == [2, 2]
    before = pd.read_csv(network / "report_card.csv")
    assert scores[0]["SI-SDRi"].tolist() == before["SI-SDRi"].tolist()
    assert scores[1]["SI-SDRi"].tolist() != before["SI-SDRi"].tolist()


def test_a_path_in_a_run_needs_a_run(capsys):
    words = [*music.BOOTSTRAP, "MUSDB_PREPARED = '/nowhere'", "train.train_data = @in_run()"]
    assert road.call("cache", *words, "cache.datasets = [@in_run()]", check=False) == 2
    assert "in_run.path = 'chosen' is a path in a run folder" in capsys.readouterr().err


def scores(values):
    rows = [{"track": f"song {i}", "source": "vocals", "SI-SDRi": v} for i, v in enumerate(values)]
    return pd.DataFrame(rows)


def test_the_tables_say_what_a_round_gained():
    random = np.random.default_rng(0)
    confidence = np.linspace(0.1, 0.6, 20)
    names = [f"s{i}" for i in range(20)]
    segments = pd.DataFrame(
        {"confidence": confidence, "SI-SDRi": 10 * confidence + random.normal(0, 0.5, 20)}, names
    )
    before = random.normal(4, 1, 12)
    rounds = [
        Round("round0", scores(before)),
        Round("round1", scores(before + 1), segments, frozenset(names[12:])),
        Round("round2", scores(before), segments.drop(columns="SI-SDRi"), frozenset(names)),
    ]
    by_round, by_quintile = round_table(rounds, "SI-SDRi"), quintile_table(rounds, "SI-SDRi")
    assert by_round["verdict"].tolist()[1:] == ["better", "not shown"]
    assert by_round["shift"].tolist()[1:] == pytest.approx([1.0, 0.0])
    assert by_round["r"][1] > 0.9 and np.isnan(by_round["r"][2])
    first = by_quintile[by_quintile["round"] == "round1"]
    assert first["chosen"].tolist() == [0, 0, 0, 4, 4]
    assert first["SI-SDRi"].is_monotonic_increasing
    assert "round2" in tables_text(by_round, pd.DataFrame(), by_quintile, "SI-SDRi")
