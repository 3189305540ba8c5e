"""Each patch of src/compat, where nussl and scaper would fail or compute something else without it."""

import copy
import importlib
import logging
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import librosa
import numpy as np
import nussl
import pytest
import scaper
import scipy.signal
import soundfile
import torch

from audition import compat
from audition.compat import stand_ins
from audition.compat.hook import find_patch
from audition.compat.sox import Transformer
from audition.errors import ConfigError
from audition.parallel import map_items
from tests.support import voices

RATE = 8000
ROOT = Path(__file__).parent.parent


def noise(num_samples=RATE, num_channels=1, seed=0, dtype=np.float64):
    samples = np.random.RandomState(seed).uniform(-0.5, 0.5, (num_channels, num_samples))
    return nussl.AudioSignal(audio_data_array=samples.astype(dtype), sample_rate=RATE)


def run_python(code, **environment):
    """Standard output and error of `code` in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


# the hook ------------------------------------------------------------------------


def test_every_patch_in_the_tables_exists():
    for table in (compat.AROUND, compat.AFTER):
        for names in table.values():
            assert all(callable(find_patch(name)) for name in names)


def test_install_twice_adds_one_hook():
    before = list(sys.meta_path)
    compat.install()
    assert sys.meta_path == before


def test_importing_src_loads_nothing_heavy():
    code = "import src, sys; print([m for m in ('numpy', 'torch', 'nussl') if m in sys.modules])"
    assert run_python(code).stdout == "[]\n"


def test_importing_nussl_and_scaper_prints_nothing_and_starts_no_program(tmp_path):
    """Not even without sox and ffmpeg: `sh`, the only program on this PATH, leaves a file when run."""
    (tmp_path / "sh").write_text(f"#!/bin/sh\n: > {tmp_path}/was_run\n")
    (tmp_path / "sh").chmod(0o755)
    code = "import src, nussl, scaper; print(nussl.AudioSignal.__name__)"
    done = run_python(code, PATH=str(tmp_path))
    assert (done.stdout, done.stderr) == ("AudioSignal\n", "")
    assert not (tmp_path / "was_run").exists()


def unpickle_window(pickled):
    return pickle.loads(pickled).get_window("hanning", 8)


def test_spawned_worker_that_unpickles_a_signal_is_patched():
    pickled = pickle.dumps(noise())
    (result,) = map_items(unpickle_window, [("one", (pickled,))], num_workers=1)
    np.testing.assert_array_equal(result[1], scipy.signal.get_window("hann", 8))


def test_patches_stay_inside_nussl():
    assert not hasattr(scipy.signal, "hann")
    assert "stempeg" not in sys.modules or hasattr(sys.modules["stempeg"], "write_stems")
    assert not hasattr(np, "Inf") and not hasattr(np, "mat")


# versions ------------------------------------------------------------------------


def test_scipy_window_names():
    assert nussl.constants.WINDOW_HANN == "hann"


def test_resample():
    signal = noise()
    samples = signal.audio_data[0].copy()
    signal.resample(RATE // 2)
    expected = librosa.resample(samples, orig_sr=RATE, target_sr=RATE // 2)
    np.testing.assert_allclose(signal.audio_data[0], expected)


def test_rms_reflects_the_edges():
    signal = nussl.AudioSignal(audio_data_array=np.ones((1, RATE)), sample_rate=RATE)
    np.testing.assert_allclose(signal.rms(win_len=256), 1)


def test_mel_projection():
    projection = nussl.ml.networks.modules.MelProjection(RATE, 129, 40)
    assert projection(torch.rand(1, 5, 129, 1)).shape == (1, 5, 40, 1)


def test_hanning_is_hann():
    window = nussl.AudioSignal.get_window("hanning", 16)
    np.testing.assert_array_equal(window, nussl.AudioSignal.get_window("hann", 16))


def test_duet_runs():
    estimates = nussl.separation.spatial.Duet(noise(2 * RATE, num_channels=2), num_sources=2)()
    assert len(estimates) == 2


def test_scores_of_single_precision_audio_are_plain_numbers():
    references = [noise(seed=seed, dtype=np.float32) for seed in (0, 1)]
    estimates = [noise(seed=seed, dtype=np.float32) for seed in (2, 3)]
    scores = nussl.evaluation.BSSEvalScale(references, estimates).evaluate()
    assert np.asarray(scores["source_0"]["SI-SDR"]).dtype == np.float64


class UnknownTransform:
    def __call__(self, data):
        return data


def save_model(path, transform):
    """A tiny nussl checkpoint whose metadata holds what real ones hold."""
    config = nussl.ml.networks.builders.build_recurrent_mask_inference(
        129, 1, 1, False, 0.0, 2, ["sigmoid"]
    )
    described = {
        "stft_params": nussl.STFTParams(256, 64, "sqrt_hann"),
        "sample_rate": RATE,
        "num_channels": 1,
    }
    transforms = nussl.datasets.transforms.Compose([transform])
    dataset = types.SimpleNamespace(**described, metadata={**described, "transforms": transforms})
    history = {"validation/loss": [np.float64(0.5)], "counts": np.arange(3)}
    nussl.ml.SeparationModel(config).save(path, train_data=dataset, metadata=history)


def test_checkpoint_with_transforms_is_read(tmp_path):
    save_model(tmp_path / "a.pth", nussl.datasets.transforms.MagnitudeWeights())
    model, metadata = nussl.ml.SeparationModel.load(tmp_path / "a.pth")
    assert metadata["train_dataset"]["stft_params"].hop_length == 64
    assert isinstance(metadata["train_dataset"]["transforms"], nussl.datasets.transforms.Compose)


def test_checkpoint_with_an_unknown_class_is_refused(tmp_path):
    save_model(tmp_path / "a.pth", UnknownTransform())
    with pytest.raises(ConfigError, match="names tests.test_compat.UnknownTransform, which"):
        nussl.ml.SeparationModel.load(tmp_path / "a.pth")


# corrections ---------------------------------------------------------------------


def test_what_nussl_does_not_write_is_read_from_a_checkpoint(tmp_path):
    model = nussl.ml.SeparationModel(voices.CONFIGS["mask"](1))
    model.save(tmp_path / "a.pth", metadata={"features": {"class": "Mine", "settings": {}}})
    _, metadata = nussl.ml.SeparationModel.load(tmp_path / "a.pth")
    assert metadata["features"] == {"class": "Mine", "settings": {}}
    assert metadata["sample_rate"] == "UNAVAILABLE"


def test_written_audio_is_clipped_and_rounded(tmp_path):
    samples = np.array([[1.0, 1.2, -1.2, 0.9 / 2**15]])
    signal = nussl.AudioSignal(audio_data_array=samples, sample_rate=RATE)
    signal.write_audio_to_file(tmp_path / "a.wav", sample_rate=float(RATE))
    written, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert (written.tolist(), rate) == ([32767, 32767, -32768, 1], RATE)


def test_sum_sources_leaves_the_dataset_labels_alone():
    labels = ["a", "b"]
    add = nussl.datasets.transforms.SumSources([["a", "b"]], ["both"])
    data = add({"sources": {"a": noise(), "b": noise()}, "metadata": {"labels": labels}})
    assert labels == ["a", "b"]
    assert data["metadata"]["labels"] == ["a", "b", "both"]


def test_sum_sources_refuses_what_has_no_sources_as_nussl_does():
    add = nussl.datasets.transforms.SumSources([["a", "b"]], ["both"])
    for nothing in ({"no_key"}, {"mix": noise()}):
        with pytest.raises(
            nussl.datasets.transforms.TransformException, match="Expected sources in dictionary"
        ):
            add(nothing)


@pytest.mark.parametrize("name", ["whitened_kmeans_confidence", "dpcl_classic_confidence"])
def test_three_perfect_clusters_are_confident(name):
    random = np.random.RandomState(0)
    embeddings = np.eye(3)[random.randint(3, size=(20, 30, 1))]
    magnitudes = random.rand(20, 30, 1)
    confidence = getattr(nussl.ml.confidence, name)
    assert confidence(None, embeddings, 3, 0, representation=magnitudes) > 0.95


# stand-ins -----------------------------------------------------------------------


def test_nothing_stands_in_where_ffmpeg_and_sox_are(monkeypatch):
    monkeypatch.setattr(stand_ins.shutil, "which", lambda program: f"/usr/bin/{program}")
    for around in (stand_ins.stempeg, stand_ins.soxbindings):
        with around() as module:
            assert module is None


def test_stand_in_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(stand_ins.shutil, "which", lambda program: None)
    monkeypatch.setattr(stand_ins, "_installed_version", lambda distribution: "3.1.6")
    before = {name: sys.modules.get(name) for name in ("stempeg", "soxbindings", "zarr")}
    with stand_ins.stempeg(), stand_ins.soxbindings(), stand_ins.zarr():
        assert sys.modules["stempeg"].Info and sys.modules["zarr"].ThreadSynchronizer
    assert before == {name: sys.modules.get(name) for name in before}


def test_torchaudio_stands_in_where_it_does_not_fit_torch(monkeypatch, tmp_path):
    (tmp_path / "torchaudio.py").write_text("raise OSError('made for another torch')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    with stand_ins.torchaudio():
        assert sys.modules["torchaudio"].__version__
    assert "torchaudio" not in sys.modules
    (tmp_path / "torchaudio.py").write_text("__version__ = 'real'")
    importlib.invalidate_caches()
    with stand_ins.torchaudio():
        assert sys.modules["torchaudio"].__version__ == "real"
    monkeypatch.delitem(sys.modules, "torchaudio")


def test_distributed_optimizers_are_imported_by_those_who_use_them():
    code = """
import sys, src, nussl
from ignite.handlers import checkpoint
assert "torch.distributed.optim" not in sys.modules
assert not isinstance(1, checkpoint.ZeroRedundancyOptimizer)
from torch.distributed.optim import ZeroRedundancyOptimizer
made = object.__new__(ZeroRedundancyOptimizer)
assert isinstance(made, checkpoint.ZeroRedundancyOptimizer)
assert not isinstance(1, checkpoint.ZeroRedundancyOptimizer)
"""
    assert run_python(code).stderr == ""


def test_stems_read_a_piece_of_a_wav(tmp_path):
    from audition.compat import stems

    soundfile.write(tmp_path / "a.wav", noise(num_channels=2).audio_data.T, RATE)
    info = stems.Info(tmp_path / "a.wav")
    assert (info.samples(0), info.rate(0), info.duration(0)) == (RATE, RATE, 1.0)
    audio, rate = stems.read_stems(tmp_path / "a.wav", start=0.25, duration=0.5, info=info)
    assert (audio.shape, rate) == ((RATE // 2, 2), RATE)


def test_stems_name_ffmpeg(tmp_path):
    from audition.compat import stems

    (tmp_path / "a.stem.mp4").write_bytes(b"not a wav file")
    with pytest.raises(ConfigError, match=r"a\.stem\.mp4 .*apt install ffmpeg"):
        stems.Info(tmp_path / "a.stem.mp4")
    soundfile.write(tmp_path / "a.wav", np.zeros(100), RATE)
    with pytest.raises(ConfigError, match="at 16000 Hz needs ffmpeg"):
        stems.read_stems(tmp_path / "a.wav", sample_rate=16000)


def test_transformer_converts_rate_and_channels():
    stereo = np.stack([np.full(RATE, 0.2), np.full(RATE, 0.4)], axis=1)
    chain = Transformer().convert(samplerate=RATE // 2, n_channels=1)
    mono = chain.set_output_format(rate=RATE // 2, channels=1).build_array(
        input_array=stereo, sample_rate_in=RATE
    )
    assert mono.shape == (RATE // 2, 1)
    assert mono[RATE // 4, 0] == pytest.approx(0.3, abs=1e-3)


def test_transformer_copies_channels_in_turn():
    array = np.array([[1.0, 2.0]] * 4)
    wide = Transformer().convert(n_channels=3).build_array(input_array=array, sample_rate_in=RATE)
    assert wide[0].tolist() == [1, 2, 1]


def test_transformer_trims_a_file_in_its_own_sample_format(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise().audio_data.T, RATE, subtype="PCM_24")
    Transformer().trim(0.25, 0.75).build(tmp_path / "a.wav", tmp_path / "b.wav")
    info = soundfile.info(tmp_path / "b.wav")
    assert (info.frames, info.subtype) == (RATE // 2, "PCM_24")


@pytest.mark.parametrize("effect", ["pitch", "tempo", "reverb"])
def test_transformer_names_sox(effect):
    with pytest.raises(ConfigError, match="apt install sox"):
        getattr(Transformer(), effect)(2)


def test_scaper_generates_a_mixture(tmp_path, caplog):
    for role in ("background", "foreground"):
        folder = tmp_path / role / "hum"
        folder.mkdir(parents=True)
        soundfile.write(folder / "a.wav", noise(3 * RATE).audio_data.T, RATE)
    generator = scaper.Scaper(1.0, str(tmp_path / "foreground"), str(tmp_path / "background"))
    generator.sr, generator.ref_db = 2 * RATE, -30
    generator.add_background(("const", "hum"), ("choose", []), ("const", 0))
    generator.add_event(
        label=("const", "hum"),
        source_file=("choose", []),
        source_time=("const", 0),
        event_time=("const", 0),
        event_duration=("const", 1),
        snr=("const", 0),
        pitch_shift=None,
        time_stretch=None,
    )
    with caplog.at_level(logging.ERROR):
        audio, _, _, events = generator.generate(tmp_path / "mix.wav", disable_sox_warnings=True)
    assert audio.shape == (2 * RATE, 1) and len(events) == 2
    np.testing.assert_allclose(audio, sum(events))


def test_nussls_cache_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="needs zarr 2.*use the cache command"):
        nussl.datasets.transforms.Cache(str(tmp_path / "cache"), cache_size=3, overwrite=True)


# faster -------------------------------------------------------------------------------


def slowly(network):
    """A copy of a network whose STFT takes nussl's matrices."""
    network = copy.deepcopy(network)
    network.layers["audio"].holds_fourier = False
    return network


def end_to_end(**settings):
    torch.manual_seed(0)
    build = nussl.ml.networks.builders.build_recurrent_end_to_end
    config = build(64, 64, 16, "sqrt_hann", 4, 1, True, 0.0, 2, ["sigmoid"], **settings)
    return nussl.ml.SeparationModel(config)


@pytest.mark.parametrize("mask_complex", [False, True])
def test_a_network_with_a_fast_stft_gives_nussls_numbers_and_gradients(mask_complex):
    network = end_to_end(mask_complex=mask_complex)
    audio = 0.1 * torch.randn(2, 1, 1001)
    found = []
    for one in (network, slowly(network)):
        output = one({"mix_audio": audio})
        output["audio"].square().mean().backward()
        gradients = [weight.grad for weight in one.parameters() if weight.grad is not None]
        found.append([output["audio"], output["mask"], *gradients])
    assert network.layers["audio"].holds_fourier and len(found[0]) > 10
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("hop_length", [16, 24])
@pytest.mark.parametrize("shape", [(2, 2, 500), (2, 2, 500, 3)])
def test_a_fast_stft_has_channels_and_sources_where_nussls_has(shape, hop_length):
    stft = nussl.ml.networks.modules.STFT(64, 64, hop_length, "hanning")
    audio = torch.randn(shape)
    found = []
    for stft.holds_fourier in (None, False):
        polar = stft(audio, "transform")
        found.append([polar[:, :, :33], stft(polar, "inverse")])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_filters_that_are_learned_or_loaded_are_used():
    trainable, network = end_to_end(trainable=True), end_to_end()
    audio = torch.randn(1, 1, 400)
    trainable({"mix_audio": audio})["audio"].sum().backward()
    assert trainable.layers["audio"].transform_filters.grad is not None
    fourier = network({"mix_audio": audio})["audio"]
    state = copy.deepcopy(network.state_dict())
    network.load_state_dict({**state, "layers.audio.inverse_filters": torch.eye(66, 64)})
    assert not torch.allclose(network({"mix_audio": audio})["audio"], fourier, atol=1e-2)
    network.load_state_dict(state)
    assert torch.equal(network({"mix_audio": audio})["audio"], fourier)
