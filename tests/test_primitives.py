"""Primitive separators and their ensemble: what they gain on a song, and in what order."""

import copy
import pickle

import gin
import numpy as np
import nussl
import pytest

from audition import configs, registry
from audition.audio.signals import signal_like
from audition.errors import ConfigError
from audition.metrics import BSSEvalScale
from audition.separators import (
    NusslSeparator,
    PrimitiveEnsemble,
    nussl_recipes,
    predominant_melody,
)
from audition.separators.melody import PredominantMelody
from audition.separators.seeds import seeded
from tests.support import music, road
from tests.support.voices import two_voices

SHIPPED = sorted((road.ROOT / "musdb/exp/cues").glob("*.gin"))
IN_ORDER = ("2dft_repetition", "2dft_micro_modulation", "repet", "repet_sim", "predominant_melody")
HPSS = nussl_recipes()["nussl.separation.primitive.HPSS"]()


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """An item of a corpus: 12 s, mix, vocals and accompaniment."""
    folder = music.render_mono(tmp_path_factory.mktemp("songs"), 1, 12.0)
    return music.open_songs(folder)[0]


def shipped(name):
    """The separator of a shipped .gin file."""
    registry.register()
    configs.load([road.ROOT / f"musdb/exp/cues/{name}.gin"], ("NUM_SOURCES = 2",))
    return pickle.loads(pickle.dumps(copy.deepcopy(gin.query_parameter("evaluate.separator"))))


def separate(separator, mix):
    with seeded(0):
        return separator.separate(mix).estimates


def gains(song, estimates, **settings):
    """SI-SDRi in dB of the accompaniment and of the vocals."""
    scores = BSSEvalScale(**settings)(song["sources"], estimates, song["mix"])
    return [scores[name]["SI-SDRi"][0] for name in music.SOURCES]


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_primitive_gives_background_then_foreground(song, name):
    estimates = separate(shipped(name), song["mix"])
    in_order, swapped = gains(song, estimates), gains(song, estimates[::-1])
    assert in_order[1] > 1.0
    assert sum(in_order) > sum(swapped) + 5


@pytest.mark.parametrize("name", ["hpss", "timbre"])
def test_a_primitive_of_no_known_order_can_be_scored(song, name):
    separator = shipped(name)
    assert gin.query_parameter("BSSEvalScale.compute_permutation") is True
    assert np.isfinite(
        gains(song, separate(separator, song["mix"]), compute_permutation=True)
    ).all()


def test_every_shipped_primitive_is_tested():
    names = {path.stem for path in SHIPPED}
    assert names == {*IN_ORDER, "hpss", "timbre", "melodia", "primitive_clustering"}


def test_melodia_is_offered_where_its_plugin_is(song):
    separator = shipped("melodia")
    try:
        separator.check(None)
    except ConfigError as error:
        assert "Melodia vamp plugin" in str(error)
    else:
        assert gains(song, separate(separator, song["mix"]))[1] > 0


def test_the_paper_s_ensemble_is_better_than_its_parts_but_the_melody(song):
    ensemble = shipped("primitive_clustering")
    estimates = separate(ensemble, song["mix"])
    np.testing.assert_allclose(
        sum(one.audio_data for one in estimates), song["mix"].audio_data, atol=1e-4
    )
    # on rendered songs, whose melody is easily followed, proximity alone gains more than the vote
    others = [part for part in ensemble.inner() if part.algorithm is not PredominantMelody]
    parts = [separate(part, song["mix"]) for part in others]
    accompaniment, vocals = gains(song, estimates)
    assert accompaniment > 1.0
    assert vocals > max(gains(song, one)[1] for one in parts)


def test_the_paper_s_ensemble_has_its_settings():
    ensemble = shipped("primitive_clustering")
    repetition, modulation, proximity, timbre = ensemble.inner()
    assert repetition.arguments["use_bg_2dft"] and not modulation.arguments["use_bg_2dft"]
    assert (proximity.algorithm.__name__, timbre.algorithm.__name__) == (
        "PredominantMelody",
        "HPSS",
    )
    assert ensemble.arguments["weights"] == [3, 1, 2, 1]
    assert ensemble.arguments["returns"] == [[1], [1], [1], [0]]
    assert ensemble.arguments["beta"] == 2.5 and not ensemble.arguments["fit_clusterer"]
    np.testing.assert_array_equal(ensemble.arguments["init"], [[0] * 7, [1] * 7])


def test_the_ensemble_can_also_find_its_centres(song):
    fitted = PrimitiveEnsemble([HPSS], [1], [[0]], fixed_centres=False)
    assert len(separate(fitted, song["mix"])) == 2


@pytest.mark.parametrize(
    ("weights", "returns", "sentence"),
    [
        ([1, 1], [[0]], "PrimitiveEnsemble.weights has 2 entries for 1 separators"),
        ([1], [], "PrimitiveEnsemble.returns has 0 entries for 1 separators"),
        ([0.5], [[0]], "must be whole numbers of at least 1"),
    ],
)
def test_a_mistake_in_the_ensemble_is_told(weights, returns, sentence):
    with pytest.raises(ConfigError, match=sentence):
        PrimitiveEnsemble([HPSS], weights, returns)


def test_the_melody_is_the_same_each_time_and_of_both_channels(song):
    stereo = signal_like(song["mix"], np.repeat(song["mix"].audio_data, 2, axis=0))
    first, again = (separate(predominant_melody(), stereo)[1].audio_data for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first[0], first[1])


@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_the_melody_takes_short_and_silent_signals(song, seconds):
    num_samples = round(seconds * music.SAMPLE_RATE)
    silence = signal_like(song["mix"], np.zeros((1, num_samples)))
    background, foreground = separate(predominant_melody(mask_type="binary"), silence)
    assert background.signal_length == foreground.signal_length == num_samples


@pytest.mark.parametrize("arguments", [{}, {"period": 1.0}])
def test_a_mixture_shorter_than_the_period_of_repet_names_the_binding(arguments):
    mix, _ = two_voices(0.1)
    with pytest.raises(
        ConfigError, match="no period in this mixture of 0.10 s .* Repet.min_period"
    ):
        NusslSeparator(nussl.separation.primitive.Repet, arguments).finish(mix)
