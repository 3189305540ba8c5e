"""Results that nussl 1.1.9 computes wrongly on any stack.

Each function takes the nussl module it corrects; line numbers are nussl's.
"""

import types

import numpy as np
import scipy.io.wavfile
import torch


def clip_written_audio(audio_signal: types.ModuleType) -> None:
    """core/audio_signal.py:877 lets loud samples wrap around: +1.0 is written as -1.0.

    Any peak-normalised signal has such a sample. It also truncates where it should round, and
    fails on a sample rate that is a float.
    """

    def write_audio_to_file(self, output_file_path, sample_rate=None):
        if self.audio_data is None:
            raise audio_signal.AudioSignalException("There is no audio data to write.")
        rate = int(sample_rate or self.sample_rate)
        scipy.io.wavfile.write(output_file_path, rate, _to_int16(self.audio_data).T)

    audio_signal.AudioSignal.write_audio_to_file = write_audio_to_file


def _to_int16(samples):
    if not np.issubdtype(samples.dtype, np.floating):
        return samples
    limits = np.iinfo(np.int16)
    return np.clip(np.rint(samples * 2.0**15), limits.min, limits.max).astype(np.int16)


def keep_own_metadata(migration: types.ModuleType) -> None:
    """core/migration.py:164 drops what a model file says beyond what nussl's own training writes.

    That includes the features that a network was trained on.
    """
    loader = migration.SafeModelLoader
    populate = loader._validate_and_populate

    def populate_and_keep(self, received):
        return {**received, **populate(self, received)}

    loader._validate_and_populate = populate_and_keep


def keep_dataset_labels(transforms: types.ModuleType) -> None:
    """datasets/transforms.py:130: SumSources extends the dataset's own labels with each item.

    The list grows forever, and for WHAM it is a constant of the class, shared by the whole process.
    """
    sum_sources = transforms.SumSources.__call__

    def sum_sources_of_own_labels(self, data):
        if "metadata" in data and "labels" in data["metadata"]:  # nussl refuses what is no dict
            metadata = data["metadata"]
            data["metadata"] = {**metadata, "labels": list(metadata["labels"])}
        return sum_sources(self, data)

    transforms.SumSources.__call__ = sum_sources_of_own_labels


def nearest_cluster_confidence(confidence: types.ModuleType) -> None:
    """ml/confidence.py:289,333 assign each point to the farthest of its clusters.

    With two clusters for two sources that happens to be right; with three, perfect clusters get a
    confidence of 0.5 to 0.7 when it should be close to 1.
    """

    def whitened_kmeans_confidence(
        audio_signal, features, num_sources, threshold=95, **representation
    ):
        """1 - whitened k-means loss / its upper bound, for the loud bins and nearest clusters."""
        points = _cluster(
            confidence, audio_signal, features, num_sources, threshold, representation
        )
        upper_bound = features.shape[-1] + num_sources
        return 1 - confidence.loss.WhitenedKMeansLoss()(*points).item() / upper_bound

    def dpcl_classic_confidence(
        audio_signal, features, num_sources, threshold=95, **representation
    ):
        """1 - deep clustering loss, for the loud bins and their nearest clusters."""
        points = _cluster(
            confidence, audio_signal, features, num_sources, threshold, representation
        )
        return 1 - confidence.loss.DeepClusteringLoss()(*points).item()

    confidence.whitened_kmeans_confidence = whitened_kmeans_confidence
    confidence.dpcl_classic_confidence = dpcl_classic_confidence


def _cluster(confidence, audio_signal, features, num_sources, threshold, representation):
    """Embeddings, one-hot nearest clusters, weights `(1, point, ...)` of bins over `threshold`."""
    mask, magnitudes = confidence._get_loud_bins_mask(threshold, audio_signal, **representation)
    embeddings = features[mask].reshape(-1, features.shape[-1])
    distances = confidence.KMeans(num_sources).fit_transform(embeddings)
    nearest = distances == distances.min(axis=-1, keepdims=True)
    weights = magnitudes[mask].reshape(-1)
    return [torch.from_numpy(x).unsqueeze(0).float() for x in (embeddings, nearest, weights)]
