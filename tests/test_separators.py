"""Separators: nussl's own numbers, pieces, the loop."""

import pickle

import gin
import numpy as np
import nussl
import pytest
import torch

from audition import separators
from audition.device import choose_device
from audition.errors import ConfigError
from audition.identity import describe
from audition.metrics import BSSEvalScale
from audition.parallel import ItemsFailed
from audition.separators import (
    EmbeddingClustering,
    LoopSettings,
    MaskEstimation,
    Separation,
    Separator,
    WaveformEstimation,
    nussl_recipes,
    separate_each,
    separator_recipe,
)
from audition.separators.pieces import Joined, best_order, piece_bounds
from tests.support.voices import (
    STFT_PARAMS,
    open_corpus,
    save_network,
    signal,
    two_voices,
    voice,
    write_corpus,
)

CPU = torch.device("cpu")
RECIPES = nussl_recipes()


def recipe(name):
    return next(found for dotted, found in RECIPES.items() if dotted.endswith(f".{name}"))


def run_separator(separator, mix, sources=None):
    (output,) = separator.on_device([mix], CPU)
    return separator.separate(mix, output, sources).estimates


def assert_same_audio(ours, theirs, atol=1e-4):
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.audio_data, other.audio_data, atol=atol)


# nussl's own separators ------------------------------------------------------------------------


def test_every_nussl_separator_has_a_recipe():
    assert len(RECIPES) == 21
    for name, one in RECIPES.items():
        assert name.startswith("nussl.separation.")
        hidden = {"input_audio_signal", "audio_signals", "self"}
        assert not hidden & set(one.__signature__.parameters)


MONO_CASES = {
    "HPSS": {},
    "FT2D": {},
    "Repet": {"min_period": 0.05, "max_period": 0.2},
    "RepetSim": {},
    "TimbreClustering": {"num_sources": 2, "n_components": 4},
    "RPCA": {"num_iterations": 5},
    "HighLowPassFilter": {"high_pass_cutoff_hz": 300},
    "MixAsEstimate": {"num_sources": 2},
    "IdealBinaryMask": {},
    "IdealRatioMask": {"approach": "msa"},
    "WienerFilter": {},
}
STEREO_CASES = {
    "Duet": {"num_sources": 2},
    "ICA": {},
    "Projet": {"num_sources": 2, "num_iterations": 2},
    "SpatialClustering": {"num_sources": 2},
}


@pytest.mark.parametrize("name", MONO_CASES)
def test_mono_separators_run(name):
    check_separator(recipe(name)(**MONO_CASES[name]), *two_voices(0.8))


@pytest.mark.parametrize("name", STEREO_CASES)
def test_stereo_separators_run(name):
    check_separator(recipe(name)(**STEREO_CASES[name]), *two_voices(0.8, num_channels=2))


def check_separator(separator, mix, sources):
    separator = pickle.loads(pickle.dumps(separator))
    np.random.seed(3)
    estimates = run_separator(separator, mix, sources)
    assert len(estimates) == 2
    assert all(estimate.signal_length == mix.signal_length for estimate in estimates)


def test_same_numbers_as_nussl():
    mix, sources = two_voices()
    ours = run_separator(recipe("IdealRatioMask")(approach="psa"), mix, sources)
    theirs = nussl.separation.benchmark.IdealRatioMask(mix, dict(sources), approach="psa")()
    assert_same_audio(ours, theirs, atol=0)


def test_wiener_filter_of_another_separator():
    mix, sources = two_voices()
    separator = recipe("WienerFilter")(estimates=recipe("HPSS")())
    theirs = nussl.separation.benchmark.WienerFilter(mix, nussl.separation.primitive.HPSS(mix)())()
    assert_same_audio(run_separator(separator, mix, sources), theirs, atol=0)


def test_wiener_filter_of_a_network(tmp_path):
    mix, _ = two_voices()
    network = MaskEstimation(save_network(tmp_path / "model.pth"))
    estimates = run_separator(recipe("WienerFilter")(estimates=network), mix)
    assert_same_audio(
        estimates,
        nussl.separation.benchmark.WienerFilter(mix, run_separator(network, mix))(),
    )


def test_ensemble_of_separators():
    mix, _ = two_voices()
    ensemble = recipe("EnsembleClustering")(
        2, [recipe("HPSS")(), recipe("RepetSim")()], weights=[1, 2], random_state=0
    )
    ensemble = pickle.loads(pickle.dumps(ensemble.located("somewhere")))
    inner = [nussl.separation.primitive.HPSS(mix), nussl.separation.primitive.RepetSim(mix)]
    theirs = nussl.separation.composite.EnsembleClustering(
        mix, 2, inner, weights=[1, 2], random_state=0
    )()
    assert_same_audio(run_separator(ensemble, mix), theirs, atol=1e-12)


def test_overlap_add_can_be_used_twice():
    mix, _ = two_voices(1.5)
    separator = recipe("OverlapAdd")(recipe("HPSS")(), window_duration=0.5)
    first, second = run_separator(separator, mix), run_separator(separator, mix)
    assert_same_audio(first, second, atol=0)
    assert first[0].signal_length == mix.signal_length


def test_networks_cannot_be_inside_an_ensemble(tmp_path):
    network = MaskEstimation(save_network(tmp_path / "model.pth"))
    ensemble = recipe("EnsembleClustering")(2, [network, recipe("HPSS")()])
    with pytest.raises(ConfigError, match="DeepMaskEstimation"):
        run_separator(ensemble, two_voices()[0])


def test_nussl_deep_separator_takes_its_path_from_the_run(tmp_path):
    save_network(tmp_path / "run0" / "model.pth")
    separator = recipe("DeepMaskEstimation")(model_path="model.pth")
    mix, _ = two_voices()
    assert len(run_separator(separator.located(tmp_path / "run0"), mix)) == 2
    with pytest.raises(ConfigError, match="train first"):
        separator.located(tmp_path / "run1")


def test_missing_argument_is_one_sentence():
    with pytest.raises(ConfigError, match="TimbreClustering: missing a required argument"):
        recipe("TimbreClustering")()


def test_melodia_says_what_to_install():
    with pytest.raises(ConfigError, match="pip install .*vamp"):
        recipe("Melodia")().check(data=None)


def test_spatial_separators_want_two_channels(corpus):
    with pytest.raises(ConfigError, match="Duet separates by the differences between two channels"):
        recipe("Duet")(2).check(corpus)
    with pytest.raises(ConfigError, match="has 1"):
        recipe("EnsembleClustering")(2, [recipe("Projet")(2)]).check(corpus)


def test_ica_is_given_as_it_sounds_in_each_channel(corpus):
    """An instantaneous mixture: each component is a source's image, to the gain and the channel."""
    audio = np.concatenate([voice(1.0, pitch, seed) for seed, pitch in enumerate((110, 231))])
    images = [np.outer(gains, one) for gains, one in zip(((1, 0.4), (0.3, 1)), audio, strict=True)]
    sources = {f"s{number}": signal(image) for number, image in enumerate(images)}
    mix = signal(sum(images))
    np.random.seed(0)
    estimates = run_separator(recipe("ICA")(), mix)
    total = sum(one.audio_data for one in estimates)
    centred = mix.audio_data - mix.audio_data.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(total, centred, atol=1e-6)
    scores = BSSEvalScale(compute_permutation=True)(sources, estimates, mix)
    assert all(min(one["SNR"]) > 15 for one in scores.values())  # gains and channels are right, too
    with pytest.raises(ConfigError, match="ICA separates by the differences between two channels"):
        recipe("ICA")().check(corpus)


def test_estimates_that_projet_would_not_use_are_refused(tmp_path):
    separator = recipe("Projet")(2, estimates=recipe("HPSS")())
    stereo = open_corpus(write_corpus(tmp_path, num_channels=2))
    with pytest.raises(ConfigError, match="Projet.estimates is bound, and nussl's Projet starts"):
        separator.check(stereo)
    recipe("Projet")(2).check(stereo)


def test_oracle_without_sources():
    with pytest.raises(ConfigError, match="needs the true sources"):
        run_separator(recipe("IdealBinaryMask")(), two_voices()[0])


def test_recipe_works_in_gin():
    made = separator_recipe(nussl.separation.primitive.HPSS)
    gin.external_configurable(made, name="HPSS", module="test_separators")
    with gin.unlock_config():
        gin.parse_config("test_separators.HPSS.kernel_size = 17")
    separator = gin.get_configurable("test_separators.HPSS")()
    assert separator.arguments == {"kernel_size": 17}
    assert pickle.loads(pickle.dumps(separator)).algorithm is nussl.separation.primitive.HPSS


def test_passport_knows_arguments_and_inner_checkpoints(tmp_path):
    path = save_network(tmp_path / "model.pth")
    inner = recipe("DeepMaskEstimation")(model_path=str(path))
    before = describe(recipe("EnsembleClustering")(2, [inner]))
    assert before == describe(recipe("EnsembleClustering")(2, [inner]))
    assert before != describe(recipe("EnsembleClustering")(3, [inner]))
    save_network(path, seed=1)
    assert before != describe(recipe("EnsembleClustering")(2, [inner]))


# networks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask_type", ["soft", "binary"])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_mask_estimation_equals_nussl(tmp_path, mask_type, num_channels):
    path = save_network(tmp_path / "model.pth", num_channels=num_channels)
    mix, _ = two_voices(num_channels=num_channels)
    theirs = nussl.separation.deep.DeepMaskEstimation(mix, str(path), mask_type=mask_type)()
    assert_same_audio(run_separator(MaskEstimation(path, mask_type), mix), theirs)


@pytest.mark.parametrize("settings", [{}, {"percentile": 50, "beta": 20.0, "n_init": 3}])
def test_embedding_clustering_equals_nussl(tmp_path, settings):
    path = save_network(tmp_path / "model.pth", "embedding")
    mix, _ = two_voices()
    theirs = nussl.separation.deep.DeepClustering(mix, 2, str(path), random_state=0, **settings)()
    assert_same_audio(run_separator(EmbeddingClustering(2, path, **settings), mix), theirs)


def test_waveform_estimation_equals_nussl(tmp_path):
    path = save_network(tmp_path / "model.pth", "audio")
    mix, _ = two_voices()
    theirs = nussl.separation.deep.DeepAudioEstimation(mix, str(path))()
    assert_same_audio(run_separator(WaveformEstimation(path), mix), theirs)


def test_batches_of_several_lengths_change_nothing(tmp_path):
    separator = MaskEstimation(save_network(tmp_path / "model.pth"))
    mixes = [two_voices(seconds, seed)[0] for seed, seconds in enumerate([1.0, 0.7, 1.0, 0.7, 0.5])]
    together = separator.on_device(mixes, CPU)
    for mix, output in zip(mixes, together, strict=True):
        (alone,) = separator.on_device([mix], CPU)
        np.testing.assert_allclose(output["mask"], alone["mask"], atol=1e-6)


def test_the_network_stays_in_the_parent(tmp_path):
    separator = MaskEstimation(save_network(tmp_path / "model.pth"))
    mix, _ = two_voices()
    (output,) = separator.on_device([mix], CPU)
    copy = pickle.loads(pickle.dumps(separator))
    assert separator.model is not None and copy.model is None
    assert_same_audio(
        copy.separate(mix, output).estimates, separator.separate(mix, output).estimates, atol=0
    )


def test_passport_is_the_content_of_the_checkpoint(tmp_path):
    path = save_network(tmp_path / "model.pth")
    moved = save_network(tmp_path / "elsewhere" / "model.pth")
    moved.write_bytes(path.read_bytes())
    before = MaskEstimation(path)
    passport = describe(before)
    before.load()
    assert describe(before) == passport == describe(MaskEstimation(moved))
    assert describe(MaskEstimation(path, "binary")) != passport
    save_network(path, seed=1)
    assert describe(before) != passport


def test_checkpoint_of_other_data(tmp_path):
    corpus = open_corpus(write_corpus(tmp_path / "data", 1))
    wrong_rate = save_network(tmp_path / "16k.pth", sample_rate=16000)
    with pytest.raises(ConfigError, match="was trained on 16000 Hz, but the test data has 8000 Hz"):
        MaskEstimation(wrong_rate).check(corpus)
    stereo = save_network(tmp_path / "stereo.pth", num_channels=2)
    with pytest.raises(ConfigError, match=r"was trained on 2 channel\(s\)"):
        MaskEstimation(stereo).check(corpus)


def test_checkpoint_that_is_none(tmp_path):
    path = tmp_path / "checkpoints" / "best.model.pth"
    with pytest.raises(ConfigError, match="train first"):
        MaskEstimation().located(tmp_path)
    path.parent.mkdir()
    path.write_text("not a checkpoint")
    with pytest.raises(ConfigError, match="can't be loaded"):
        MaskEstimation().located(tmp_path).check(None)
    save_network(path, "embedding")
    with pytest.raises(ConfigError, match="needs a network that returns 'mask'"):
        MaskEstimation().located(tmp_path).check(None)
    with pytest.raises(ConfigError, match="must be one of soft, binary"):
        MaskEstimation(path, "hard")


def test_the_cpu_is_a_device():
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("num_samples", [101, 150, 180, 181, 260, 999])
def test_pieces_cover_everything_with_overlap(num_samples):
    bounds = piece_bounds(num_samples, 100, 20)
    assert bounds[0][0] == 0 and bounds[-1][1] == num_samples
    assert all(stop - start == 100 for start, stop in bounds)
    for (_, stop), (start, _) in zip(bounds[:-1], bounds[1:], strict=True):
        assert stop - start >= 20


def test_short_signals_are_one_piece():
    assert piece_bounds(100, 100, 20) == [(0, 100)]
    assert piece_bounds(10**9, None, 0) == [(0, 10**9)]


@pytest.mark.parametrize("seconds", [1.01, 1.5, 2.33])
def test_join_undoes_cut_and_shuffle(seconds):
    whole = np.stack([voice(seconds, hz, hz, num_channels=2) for hz in (90, 170, 260)])
    bounds = piece_bounds(whole.shape[-1], 4000, 800)
    random = np.random.RandomState(0)
    shuffled = [whole[:, :, start:stop][random.permutation(3)] for start, stop in bounds]
    shuffled[0] = whole[:, :, : bounds[0][1]]
    joined = Joined(bounds)
    for index in reversed(range(len(bounds))):
        joined.add(index, shuffled[index])
    np.testing.assert_allclose(joined.audio, whole, atol=1e-6)
    assert joined.is_complete


def test_silence_keeps_the_order():
    silent, speech = np.zeros((1, 400)), voice(0.05, 120)
    assert list(best_order(np.stack([silent] * 3), np.stack([silent] * 3))) == [0, 1, 2]
    assert list(best_order(np.stack([silent, speech]), np.stack([silent, speech]))) == [0, 1]
    assert list(best_order(np.stack([silent, speech]), np.stack([speech, silent]))) == [1, 0]


# the loop --------------------------------------------------------------------------------------


class KeepAudio:
    """Last step of the tests: the estimates as they are."""

    def __call__(self, track, separation):
        return np.stack([estimate.audio_data for estimate in separation.estimates])


class Flipping(Separator):
    """A perfect separator whose order differs from piece to piece."""

    def finish(self, mix, device_output, sources=None):
        order = sorted(sources, reverse=np.random.rand() > 0.5)
        return [sources[name] for name in order]


class Moody(Separator):
    """Fails on one length, on the device or in the worker."""

    def __init__(self, num_samples, where):
        self.num_samples = num_samples
        self.where = where

    def on_device(self, mixes, device):
        if self.where == "device" and any(m.signal_length == self.num_samples for m in mixes):
            raise RuntimeError("out of memory, so to say")
        return super().on_device(mixes, device)

    def finish(self, mix, device_output, sources=None):
        if self.where == "worker" and mix.signal_length == self.num_samples:
            return [signal(np.full((1, mix.signal_length), np.nan))]
        return [mix, mix]


@pytest.fixture
def corpus(tmp_path):
    return open_corpus(write_corpus(tmp_path / "data", 3))


def separate_all(corpus, separator, **settings):
    loop = LoopSettings(device="cpu", **settings)
    return dict(separate_each(corpus, range(len(corpus)), separator, KeepAudio(), loop))


def test_whole_tracks_equal_direct_calls(tmp_path, corpus):
    separator = MaskEstimation(save_network(tmp_path / "model.pth"))
    results = separate_all(corpus, separator)
    assert sorted(results) == corpus.names
    for index, name in enumerate(corpus.names):
        direct = run_separator(separator, corpus[index]["mix"])
        expected = np.stack([one.audio_data for one in direct])
        np.testing.assert_allclose(results[name], expected, atol=1e-6)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_long_tracks_come_back_in_one_order(corpus, num_workers):
    results = separate_all(
        corpus, Flipping(), piece_seconds=0.3, overlap_seconds=0.1, num_workers=num_workers
    )
    for index, name in enumerate(corpus.names):
        sources = corpus[index]["sources"].values()
        expected = np.stack([source.audio_data for source in sources])
        errors = [np.abs(results[name] - order).max() for order in (expected, expected[::-1])]
        assert min(errors) < 1e-5


def test_pieces_of_a_network_agree_with_the_whole(tmp_path, corpus):
    separator = MaskEstimation(save_network(tmp_path / "model.pth"))
    whole = separate_all(corpus, separator, piece_seconds=None)
    pieces = separate_all(corpus, separator, piece_seconds=0.6, overlap_seconds=0.2)
    for name in corpus.names:
        error = np.mean((whole[name] - pieces[name]) ** 2) / np.mean(whole[name] ** 2)
        assert error < 0.01


def test_oracles_get_the_pieces_of_the_sources(corpus):
    separator = recipe("IdealRatioMask")()
    whole = separate_all(corpus, separator)
    pieces = separate_all(corpus, separator, piece_seconds=0.5, overlap_seconds=0.1)
    for name in corpus.names:
        assert np.mean((whole[name] - pieces[name]) ** 2) < 0.05 * np.mean(whole[name] ** 2)


@pytest.mark.parametrize("piece_seconds", [None, 0.6])
def test_random_algorithms_depend_on_seed_and_track_only(corpus, piece_seconds):
    separator = recipe("TimbreClustering")(2, 4)
    settings = {"piece_seconds": piece_seconds, "overlap_seconds": 0.1}
    np.random.seed(1)
    first = separate_all(corpus, separator, **settings)
    np.random.seed(2)
    second = separate_all(corpus, separator, **settings)
    other_seed = separate_all(corpus, separator, seed=7, **settings)
    for name in corpus.names:
        np.testing.assert_array_equal(first[name], second[name])
    assert any((first[name] != other_seed[name]).any() for name in corpus.names)


@pytest.mark.parametrize("where", ["device", "worker"])
def test_a_failing_track_stops_no_other(corpus, where):
    length = corpus[1]["mix"].signal_length
    done = {}
    with pytest.raises(ItemsFailed, match="track1") as caught:
        loop = LoopSettings(device="cpu")
        for name, result in separate_each(
            corpus, range(3), Moody(length, where), KeepAudio(), loop
        ):
            done[name] = result
    assert sorted(done) == ["track0", "track2"]
    assert list(caught.value.failures) == ["track1"]


def test_an_unreadable_track_stops_no_other(tmp_path, corpus):
    (tmp_path / "data" / "s1" / "track2.wav").write_text("no audio")
    with pytest.raises(ItemsFailed, match="track2: cannot be read"):
        separate_all(corpus, Moody(0, "nowhere"))


class Mistaken(Separator):
    """Made for other data, and says so in two lines."""

    def finish(self, mix, device_output, sources=None):
        raise ConfigError("Mistaken.size = 3 must be 2.\n  In call to Mistaken")


def test_a_mistake_in_the_settings_stops_at_the_first_track(tmp_path, corpus):
    with pytest.raises(ConfigError, match="Mistaken.size = 3 must be 2."):
        list(
            separators.separate_all(corpus, range(3), Mistaken(), KeepAudio(), LoopSettings("cpu"))
        )
    (tmp_path / "data" / "s1" / "track0.wav").write_text("no audio")  # a mistake of one track
    results = separators.separate_all(
        corpus, range(3), Moody(0, "nowhere"), KeepAudio(), LoopSettings()
    )
    with pytest.raises(ItemsFailed, match="1 failed, all others are done: track0: cannot be read"):
        list(results)


class Halving(Separator):
    """A user's separator: its estimates as any iterable, or with what it knows of them."""

    def __init__(self, as_separation):
        self.as_separation = as_separation

    def finish(self, mix, device_output, sources=None):
        if not self.as_separation:
            return (mix * 0.5 for _ in range(2))
        return Separation([mix * 0.5] * 2, confidences={"certainty": np.random.rand()})


class Tell:
    """Last step of the tests: the number of estimates, the confidences, and a random number."""

    def __call__(self, track, separation):
        assert isinstance(separation, Separation)
        return len(separation.estimates), separation.confidences, np.random.rand()


@pytest.mark.parametrize("as_separation", [False, True])
@pytest.mark.parametrize("piece_seconds", [None, 0.6])
def test_the_last_step_gets_a_separation_and_draws_by_the_seed(
    corpus, as_separation, piece_seconds
):
    settings = LoopSettings("cpu", piece_seconds=piece_seconds, overlap_seconds=0.1)
    first, again = (
        dict(separate_each(corpus, range(3), Halving(as_separation), Tell(), settings))
        for _ in range(2)
    )
    for num_estimates, confidences, _ in first.values():
        assert num_estimates == 2
        assert set(confidences) == ({"certainty"} if as_separation and not piece_seconds else set())
    if not piece_seconds:
        assert first == again


class Weighing(Separator):
    """Remembers how much went through the device at once."""

    def __init__(self):
        self.batches = []

    def on_device(self, mixes, device):
        self.batches.append([round(mix.signal_duration, 2) for mix in mixes])
        return super().on_device(mixes, device)

    def finish(self, mix, device_output, sources=None):
        return [mix]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"batch_size": 2}, [[1.0, 1.05], [1.1]]),
        ({"piece_seconds": 2.3, "overlap_seconds": 0.5}, [[1.0, 1.05], [1.1]]),
        ({"piece_seconds": 1.02, "overlap_seconds": 0.5}, [[1.0], *[[1.02]] * 4]),
        ({"piece_seconds": None}, [[1.0, 1.05, 1.1]]),
    ],
    ids=str,
)
def test_what_goes_through_the_device_at_once_is_bounded(corpus, settings, expected):
    separator = Weighing()
    separate_all(corpus, separator, **settings)
    assert separator.batches == expected


def test_overlap_must_fit(corpus):
    with pytest.raises(ConfigError, match="at most half a piece"):
        separate_all(corpus, Flipping(), piece_seconds=1.0, overlap_seconds=0.8)


def test_stft_settings_of_the_network_win(tmp_path):
    separator = MaskEstimation(save_network(tmp_path / "model.pth"))
    mix, _ = two_voices()
    mix.stft_params = nussl.STFTParams(512, 128, "hann")
    assert_same_audio(
        run_separator(separator, mix),
        nussl.separation.deep.DeepMaskEstimation(mix, str(tmp_path / "model.pth"))(),
    )
    assert separator.stft_params == STFT_PARAMS


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nonsense", "device = 'nonsense' is not a device that torch knows"),
        ("cuda:93", r"device = 'cuda:93', but torch sees \d+ CUDA GPUs here"),
    ],
)
def test_a_device_that_is_not_there(name, sentence):
    with pytest.raises(ConfigError, match=sentence):
        choose_device(name)
