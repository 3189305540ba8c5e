"""Checkpoints trained here run in nussl's own separators, to the same audio."""

import numpy as np
import nussl
import pytest
import soundfile

from tests.support import road

MASKS = (
    "train.model_config = @build_recurrent_mask_inference()",
    "build_recurrent_mask_inference.num_features = %NUM_FREQUENCIES",
    "build_recurrent_mask_inference.hidden_size = 20",
    "build_recurrent_mask_inference.num_layers = 1",
    "build_recurrent_mask_inference.bidirectional = True",
    "build_recurrent_mask_inference.dropout = 0.0",
    "build_recurrent_mask_inference.num_sources = 2",
    "build_recurrent_mask_inference.mask_activation = ['sigmoid']",
    "train.loss_dictionary = {'PermutationInvariantLoss': {'args': ['L1Loss']}}",
    "evaluate.separator = @MaskEstimation()",
)
CLUSTERS = (
    "train.model_config = @build_recurrent_dpcl()",
    "build_recurrent_dpcl.num_features = %NUM_FREQUENCIES",
    "build_recurrent_dpcl.hidden_size = 20",
    "build_recurrent_dpcl.num_layers = 1",
    "build_recurrent_dpcl.bidirectional = True",
    "build_recurrent_dpcl.dropout = 0.0",
    "build_recurrent_dpcl.embedding_size = 8",
    "build_recurrent_dpcl.embedding_activation = ['sigmoid', 'unit_norm']",
    "train.loss_dictionary = {'DeepClusteringLoss': {}}",
    "evaluate.separator = @EmbeddingClustering()",
    "EmbeddingClustering.num_sources = 2",
    "EmbeddingClustering.percentile = 80",
)
WAVEFORMS = (
    "train.model_config = @build_recurrent_end_to_end()",
    "build_recurrent_end_to_end.num_filters = 128",
    "build_recurrent_end_to_end.filter_length = 128",
    "build_recurrent_end_to_end.hop_length = 64",
    "build_recurrent_end_to_end.window_type = 'sqrt_hann'",
    "build_recurrent_end_to_end.hidden_size = 20",
    "build_recurrent_end_to_end.num_layers = 1",
    "build_recurrent_end_to_end.bidirectional = True",
    "build_recurrent_end_to_end.dropout = 0.0",
    "build_recurrent_end_to_end.num_sources = 2",
    "build_recurrent_end_to_end.mask_activation = ['sigmoid']",
    "train.loss_dictionary = {'SISDRLoss': {}}",
    "train.features = @WaveformFeatures()",
    "train.excerpt_frames = None",
    "train.excerpt_seconds = 0.5",
    "evaluate.separator = @WaveformEstimation()",
)


@pytest.fixture
def separated(instantiate, speech):
    """Function `(bindings)` → path of the model trained with them, and per test track its mix and
    our estimates, as AudioSignals."""

    def train_and_separate(*bindings):
        common = ("train.num_epochs = 2", "train.handlers = []", "evaluate.save_audio = True")
        (run,) = instantiate(*common, *bindings)
        road.call("all", run.config)
        tracks = sorted((speech / "wav8k/min/tt/mix_clean").glob("*.wav"))
        pairs = [(read(path), read_estimates(run.audio / path.stem)) for path in tracks]
        return str(run.checkpoints / "best.model.pth"), pairs

    return train_and_separate


def read(path):
    audio, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    return nussl.AudioSignal(audio_data_array=audio.T, sample_rate=sample_rate)


def read_estimates(folder):
    return [read(folder / name) for name in ("s1.wav", "s2.wav")]


def assert_same_audio(theirs, ours):
    assert len(theirs) == len(ours) == 2
    for one, other in zip(theirs, ours, strict=True):
        assert np.abs(other.audio_data).max() > 1e-3
        np.testing.assert_allclose(one.audio_data, other.audio_data, atol=1e-4)
    assert np.abs(ours[0].audio_data - ours[1].audio_data).max() > 1e-3  # or any order would do


def test_deep_mask_estimation_runs_a_checkpoint_of_ours(separated):
    path, tracks = separated(*MASKS)
    assert len(tracks) == 4
    for mix, ours in tracks:
        theirs = nussl.separation.deep.DeepMaskEstimation(mix, model_path=path, mask_type="soft")()
        assert_same_audio(theirs, ours)


def test_deep_clustering_runs_a_checkpoint_of_ours(separated):
    path, tracks = separated(*CLUSTERS)
    for mix, ours in tracks:
        theirs = nussl.separation.deep.DeepClustering(
            mix, 2, model_path=path, mask_type="soft",
            clustering_type="KMeans", percentile=80, beta=5.0, random_state=0,
        )()  # fmt: skip
        assert_same_audio(theirs, ours)


def test_deep_audio_estimation_runs_a_checkpoint_of_ours(separated):
    path, tracks = separated(*WAVEFORMS)
    for mix, ours in tracks:
        theirs = nussl.separation.deep.DeepAudioEstimation(mix, model_path=path)()
        assert_same_audio(theirs, ours)


def test_what_a_checkpoint_says_of_itself(separated):
    path, _ = separated(*MASKS)
    _, metadata = nussl.ml.SeparationModel.load(path)
    assert metadata["stft_params"] == nussl.STFTParams(256, 64, "sqrt_hann")
    assert (metadata["sample_rate"], metadata["num_channels"]) == (8000, 1)
    steps = [type(step).__name__ for step in metadata["train_dataset"]["transforms"].transforms]
    assert steps == ["PhaseSensitiveSpectrumApproximation", "MagnitudeWeights", "ToSeparationModel"]
