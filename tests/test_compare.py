import pytest

from tests import road


def test_runs_are_listed_in_order_beside_a_baseline(instantiate, tmp_path, capsys):
    runs = instantiate(
        "sweep.parameters = {'evaluate.separator': "
        "[@nussl.separation.benchmark.MixAsEstimate(), @nussl.separation.benchmark.IdealBinaryMask()]}",
        "nussl.separation.benchmark.MixAsEstimate.num_sources = 2",
    )
    for run in runs:
        road.call("evaluate", run.config)
    folders = tmp_path / "folders.gin"
    folders.write_text(f"compare.folders = ['{tmp_path / 'out'}', '{runs[0].folder}']\n")
    capsys.readouterr()
    road.call("compare", folders)
    header, _, mixture, oracle, again = capsys.readouterr().out.splitlines()
    assert "SI-SDRi median" in header
    assert "run0:separator:nussl.separation.benchmark.MixAsEstimate" in mixture
    assert "0.00 ± 0.00" in mixture  # the mixture improves on itself by nothing
    assert "IdealBinaryMask" in oracle
    assert again == mixture


def test_a_folder_without_scores_is_named(tmp_path, capsys):
    path = tmp_path / "folders.gin"
    path.write_text(f"compare.folders = ['{tmp_path}']\n")
    assert road.call("compare", path, check=False) == 2
    assert "holds no run with results; run evaluate first" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["mixture", "deep_clustering", "ideal_binary_mask"])
def test_the_toy_comparison_names_the_toy_experiments(word):
    assert f"toy/exp/out/{word}" in (road.ROOT / "toy/exp/compare.gin").read_text()
    assert (road.ROOT / f"toy/exp/{word}.gin").exists()
