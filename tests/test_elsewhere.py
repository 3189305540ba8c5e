"""Another project: a trained run, loaded in another folder, separates an array."""

import os
import subprocess
import sys

import gin
import numpy as np
import pytest
import soundfile
import torch

from audition import weights
from audition.errors import ConfigError
from audition.separators import load_separator
from tests.support import documents, road

LINES, FOR_NUSSL = (
    code for _, code in documents.blocks(documents.read("docs/elsewhere.md"), "python")
)


@pytest.fixture
def trained(instantiate):
    (run,) = instantiate("train.num_epochs = 1", "evaluate.save_audio = True")
    road.call("all", run.config)
    return run


def program(run, mix):
    """The documented lines, in a file of their own."""
    lines = LINES.replace(LINES.split('"')[1], str(run.folder))
    return (
        f"import soundfile, numpy\nmix = soundfile.read({str(mix)!r}, always_2d=True)[0].T\n"
        f"{lines}numpy.save('estimates.npy', estimates)\n"
    )


def test_the_documented_lines_give_what_was_evaluated(trained, speech, tmp_path):
    mix = sorted((speech / "wav8k/min/tt/mix_clean").glob("*.wav"))[0]
    where = tmp_path / "elsewhere"
    where.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program(trained, mix)],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(road.ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    got = np.load(where / "estimates.npy")
    kept = [soundfile.read(p)[0] for p in sorted((trained.audio / mix.stem).glob("s?.wav"))]
    assert got.shape == (2, 1, len(kept[0]))
    best = min(np.abs(got[list(order), 0] - kept).max() for order in ((0, 1), (1, 0)))
    assert best < 1e-3  # what is kept is 16 bit


def test_what_gin_held_before_is_back_and_nussl_gets_its_file(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(FOR_NUSSL.replace("<run>", str(trained.folder)))
    theirs, ours = weights.read("for_nussl.pth"), weights.read(trained.best_model)
    assert all(torch.equal(theirs.tensors[name], one) for name, one in ours.tensors.items())
    monkeypatch.chdir(road.ROOT)
    road.call("instantiate", trained.config)
    before = gin.config_str()
    separate = load_separator(trained.folder, device="cpu")
    assert gin.config_str() == before
    assert separate(np.zeros(8000), sample_rate=8000).shape == (2, 1, 8000)
    with pytest.raises(ConfigError, match="was trained on 8000 Hz"):
        separate(np.zeros(8000), sample_rate=16000)


def test_a_run_without_a_network_is_told(instantiate):
    binding = "evaluate.separator = @nussl.separation.primitive.HPSS()"
    (run,) = instantiate(binding)
    with pytest.raises(ConfigError, match="evaluate.separator of .* doesn't run a network"):
        load_separator(run.folder)


def test_no_run_folder(tmp_path):
    with pytest.raises(ConfigError, match="There is no .gin file"):
        load_separator(tmp_path)
