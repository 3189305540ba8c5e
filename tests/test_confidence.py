"""What the confidence of a network is measured on: its embedding, as nussl does, or its masks."""

import json
import pickle

import numpy as np
import nussl
import pandas as pd
import pytest

from audition.bootstrap.confidence import (
    CONFIDENCE,
    Teacher,
    confidence_columns,
    confidence_of,
    measure_confidence,
)
from audition.bootstrap.segments import segment_table
from audition.bootstrap.summary import Round, can_be_drawn, confidence_table, tables_text
from audition.commands.plot_calibration import plot_calibration
from audition.commands.segment_and_separate import segment_and_separate
from audition.errors import ConfigError
from audition.identity import describe
from audition.runs.folder import Run
from audition.separators import EmbeddingClustering, MaskEstimation, nussl_recipes
from tests.support import voices

MEASURES = ("silhouette", "posterior")
DEEP_MASK = nussl_recipes()["nussl.separation.deep.DeepMaskEstimation"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return voices.open_corpus(voices.write_corpus(tmp_path_factory.mktemp("data"), 5))


@pytest.fixture
def chimera(tmp_path):
    return voices.save_network(tmp_path / "run/model.pth", "chimera")


def separate(separator, mix):
    (output,) = separator.on_device([mix], "cpu")
    return separator.separate(mix, output)


def run_on(corpus, path, folder, **settings):
    """segment_and_separate by the masks of the network in `path`, a segment per track."""
    settings = {"device": "cpu", "window_seconds": 1.0, "hop_seconds": 1.0, **settings}
    run = Run(path.parent)
    segment_and_separate(run, corpus, MaskEstimation(path.name), folder, **settings)
    return segment_table(folder)


@pytest.mark.parametrize("num_channels", [1, 2])
def test_a_chimera_s_confidence_is_nussl_s(tmp_path, num_channels):
    path = voices.save_network(tmp_path / "model.pth", "chimera", num_channels=num_channels)
    mix, _ = voices.two_voices(num_channels=num_channels)
    theirs = nussl.separation.deep.DeepMaskEstimation(mix, str(path))
    theirs()
    for separator in (MaskEstimation(path), DEEP_MASK(model_path=str(path))):
        separation = separate(separator.with_features(), mix)
        assert list(separation.features) == ["embedding"]
        for measure in MEASURES:
            np.random.seed(0)
            ours = measure_confidence(separation, [measure], loud_percentile=90)[measure]
            np.random.seed(0)
            expected = theirs.confidence(f"{measure}_confidence", threshold=90)
            assert ours == pytest.approx(expected, rel=1e-3)


def test_features_are_returned_where_they_are_asked_for(chimera, tmp_path):
    """An embedding is large: evaluate, which measures nothing, doesn't carry it to the workers."""
    mix, _ = voices.two_voices()
    separator = MaskEstimation(chimera)
    (output,) = separator.on_device([mix], "cpu")
    assert list(output) == ["mask"]
    asked = pickle.loads(pickle.dumps(separator.with_features(["mask", "embedding"])))
    features = separate(asked, mix).features
    bins = separate(asked, mix).mix.stft().shape
    assert {name: one.shape for name, one in features.items()} == {
        "mask": (*bins, 2),
        "embedding": (*bins, 5),
    }
    assert asked.passport() == separator.passport()
    only_masks = voices.save_network(tmp_path / "masks.pth", "mask")
    for one in (MaskEstimation(only_masks), DEEP_MASK(model_path=str(only_masks))):
        assert list(separate(one.with_features(), mix).features) == ["mask"]
    clustering = EmbeddingClustering(2, chimera)
    assert list(separate(clustering.with_features(), mix).features) == ["embedding"]


def test_both_can_be_asked_for_by_name(corpus, chimera, tmp_path):
    by_default = run_on(corpus, chimera, tmp_path / "default")
    embedding = run_on(corpus, chimera, tmp_path / "embedding", confidence_on="embedding")
    mask = run_on(corpus, chimera, tmp_path / "mask", confidence_on="mask")
    both = run_on(corpus, chimera, tmp_path / "both", confidence_on=["embedding", "mask"])
    assert by_default[CONFIDENCE].equals(embedding[CONFIDENCE])
    assert not by_default[CONFIDENCE].equals(mask[CONFIDENCE])
    assert both[CONFIDENCE].equals(embedding[CONFIDENCE])
    assert both["confidence (embedding)"].equals(embedding[CONFIDENCE])
    assert both["posterior (mask)"].equals(mask["posterior"])
    assert confidence_columns(mask) == ["confidence", "silhouette", "posterior"]
    plot_calibration(None, tmp_path / "both")
    found = json.loads((tmp_path / "both/calibration.json").read_text())["measures"]
    assert {"confidence (embedding)", "confidence (mask)"} < set(found)
    assert CONFIDENCE not in found  # which repeats the first


def test_confidences_on_masks_never_pass_for_those_on_the_embedding(corpus, chimera, tmp_path):
    run_on(corpus, chimera, tmp_path / "segments", confidence_on="mask")
    with pytest.raises(ConfigError, match="made with other settings .separator differ"):
        run_on(corpus, chimera, tmp_path / "segments")


def test_what_version_0_1_measured_is_recognised(corpus, chimera, tmp_path):
    """It measured all networks that mask on their masks, and had no setting for it."""
    masks = voices.save_network(tmp_path / "masks.pth", "mask")
    embedding = voices.save_network(tmp_path / "embedding.pth", "embedding")
    same = [
        (MaskEstimation(masks), None),
        (MaskEstimation(masks), "mask"),
        (MaskEstimation(chimera), "mask"),
        (EmbeddingClustering(2, embedding), None),
        (EmbeddingClustering(2, chimera), "embedding"),
        (DEEP_MASK(model_path=str(masks)), None),
        (DEEP_MASK(model_path=str(chimera)), "mask"),
    ]
    for separator, on in same:
        settings = {"separator": describe(separator), "measures": list(MEASURES)}
        settings |= {"quietest_lufs": -40.0, "loud_percentile": 95}
        assert passport(separator, on, corpus) == {"class": "Teacher", "settings": settings}
    for separator, on in [
        (MaskEstimation(chimera), None),
        (DEEP_MASK(model_path=str(chimera)), None),
        (MaskEstimation(chimera), ["mask", "embedding"]),
    ]:
        assert "confidence_on" in passport(separator, on, corpus)["settings"]
    unmeasured = Teacher(MaskEstimation(chimera), (), -40.0)
    unmeasured.check(corpus)
    assert "confidence_on" not in unmeasured.passport()["settings"]


def passport(separator, on, corpus):
    teacher = Teacher(separator, MEASURES, -40.0, confidence_on=on)
    teacher.check(corpus)
    return teacher.passport()


def test_features_that_are_not_there_are_told(corpus, tmp_path):
    masks = voices.save_network(tmp_path / "run/masks.pth", "mask")
    with pytest.raises(
        ConfigError, match="confidence_on has 'embedding', and the network in .*mask"
    ):
        run_on(corpus, masks, tmp_path / "out", confidence_on="embedding")
    primitive = nussl_recipes()["nussl.separation.primitive.HPSS"]()
    with pytest.raises(ConfigError, match="confidence_on has 'embedding', and .* gives mask"):
        segment_and_separate(
            None, corpus, primitive, tmp_path / "hpss", confidence_on=["embedding"], device="cpu"
        )


def test_a_page_to_listen_to_shows_the_same_confidence(chimera):
    mix, _ = voices.two_voices()
    separation = separate(MaskEstimation(chimera).with_features(), mix)
    np.random.seed(0)
    shown = confidence_of(separation)
    np.random.seed(0)
    assert shown == measure_confidence(separation, MEASURES, on="embedding")[CONFIDENCE]


def test_the_tables_of_a_bootstrap_show_r_of_each():
    random = np.random.RandomState(0)
    score = random.randn(30)
    segments = pd.DataFrame({"SI-SDRi": score, CONFIDENCE: score + random.randn(30)})
    both = segments.assign(
        **{"confidence (embedding)": segments[CONFIDENCE], "confidence (mask)": random.rand(30)}
    )
    scores = pd.DataFrame({"track": ["a"], "source": ["s"], "SI-SDRi": [1.0]})
    rounds = [Round("round0", scores), Round("round1", scores, segments)]
    assert confidence_table(rounds, "SI-SDRi").empty
    table = confidence_table([*rounds, Round("round2", scores, both)], "SI-SDRi")
    assert table["confidence"].tolist() == ["confidence (embedding)", "confidence (mask)"]
    assert set(table["round"]) == {"round2"} and (table["segments"] == 30).all()
    assert (table["r_low"] < table["r"]).all() and table["r"][0] > 0.5 > table["r"][1]
    text = tables_text(pd.DataFrame({"round": ["round2"]}), table, pd.DataFrame(), "SI-SDRi")
    assert "r of each and true SI-SDRi" in text and "confidence (mask)" in text
    assert can_be_drawn(both, "SI-SDRi")
    assert not can_be_drawn(both.assign(**{"confidence (mask)": np.nan}), "SI-SDRi")
