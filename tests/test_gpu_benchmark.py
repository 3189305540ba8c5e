"""benchmarks/gpu.py, as far as it goes without a GPU."""

import pytest

from audition.features import WaveformFeatures
from audition.models import ConvTasNet
from audition.models.waveform import config_of
from benchmarks import gpu


def tiny():
    sizes = {"num_filters": 16, "bottleneck_channels": 8, "hidden_channels": 8, "skip_channels": 8}
    network = ConvTasNet(num_sources=2, num_repeats=1, num_blocks=2, **sizes)
    return {
        "features": WaveformFeatures(),
        "model_config": config_of(network),
        "loss_dictionary": {"PermutationInvariantLoss": {"args": ["SISDRLoss"]}},
        "batch_size": 2,
    }


def test_a_row_has_both_sides(tmp_path, monkeypatch):
    monkeypatch.setitem(gpu.CASES, "tiny", gpu.Case(tiny, 0.1))
    monkeypatch.setattr(gpu, "WARM_UP", 1)
    name, ours, bare, *rest = gpu.row("tiny", tmp_path, "cpu", 1).strip("| ").split(" | ")
    assert name == "tiny" and float(ours) > 0 and float(bare) > 0
    assert len(rest) == gpu.HEAD.splitlines()[0].count("|") - 4


def test_kernels_of_several_streams_count_once():
    assert gpu.covered([(0, 2), (1, 3), (5, 6), (5.5, 5.6)]) == pytest.approx(4)


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cuda:93"])
    with pytest.raises(SystemExit, match="There is no NVIDIA GPU here, and nothing to measure"):
        gpu.main()
