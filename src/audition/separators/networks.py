"""Trained networks as separators: the network runs on the device, masks and clusters in workers."""

import copy
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import gin
import numpy as np
import nussl
import torch
from nussl.separation import ClusteringSeparationBase

from audition import weights
from audition.audio import stft
from audition.audio.signals import signal_like
from audition.device import full_precision
from audition.errors import ConfigError
from audition.features import features_of_model, stft_params_of_data
from audition.identity import describe, file_sha256
from audition.runs.folder import Run
from audition.separators.base import Separation, Separator
from audition.separators.told_apart import asked_features

log = logging.getLogger(__name__)
BEST_MODEL = str(Run(Path()).best_model)  # relative to the run folder
MASK_TYPES = ("soft", "binary")


class NetworkSeparator(Separator):
    """Base class of the separators that run the network of a model file.

    Only signals of the same length share a batch: a recurrent network would notice padding.

    Args:
        model_path: checkpoint, relative to the run folder.
    """

    output_key = None  # the network must return it
    own_features = ()

    def __init__(self, model_path: str = BEST_MODEL):
        self.model_path = model_path
        self.model = None
        self.features = None  # what makes the model's input
        self.stft_params = None
        self.feature_keys = self.own_features

    def __getstate__(self):
        return {**vars(self), "model": None, "features": None}

    def located(self, folder: Path) -> Self:
        path = Path(folder) / self.model_path
        if not path.is_file():
            raise ConfigError(
                f"{type(self).__name__}.model_path = {str(path)!r} doesn't exist: train first, or "
                "give the path of a checkpoint."
            )
        located = copy.copy(self)
        located.model_path = str(path.resolve())
        return located

    def passport(self) -> dict:
        not_settings = ("model", "features", "stft_params", "model_path", "feature_keys")
        settings = {name: value for name, value in vars(self).items() if name not in not_settings}
        settings["model_sha256"] = file_sha256(self.model_path)[:16]
        return {"class": describe(type(self)), "settings": describe(settings)}

    def parts(self) -> list[Any]:
        """With a network in memory, see `check`, also its features and modules."""
        modules = [] if self.model is None else self.model.modules()
        return [*super().parts(), describe(self.features), *map(type, modules)]

    def rehearsing(
        self, folder: Path, model: nussl.ml.SeparationModel, metadata: dict, data: Any
    ) -> Self | None:
        if Path(folder, self.model_path).parent != Run(Path(folder)).checkpoints:
            return super().rehearsing(folder, model, metadata, data)  # another run's network
        separator = self.with_model(model, metadata)
        separator.check_format(metadata, data)
        return separator

    def check(self, data) -> None:
        metadata = self.load()
        if "weights" in metadata:
            log.info("%s holds an average: %s.", self.model_path, metadata["weights"])
        self.check_format(metadata, data)

    def check_format(self, metadata: dict, data: Any) -> None:
        """Raises a ConfigError if the network was trained on signals unlike those of `data`."""
        for key, unit in (("sample_rate", "Hz"), ("num_channels", "channel(s)")):
            if metadata[key] != getattr(data, key):
                raise ConfigError(
                    f"{type(self).__name__}.model_path = {self.model_path!r} was trained on "
                    f"{metadata[key]} {unit}, but the test data has {getattr(data, key)} {unit}: "
                    "evaluate on data like the training data."
                )

    def load(self) -> dict:
        """Reads the checkpoint, keeps its model and features, and returns its metadata."""
        try:
            model, metadata = weights.load(self.model_path)
        except ConfigError as error:
            raise ConfigError(
                f"{type(self).__name__}.model_path can't be loaded: {error}"
            ) from error
        self.take(model.eval(), metadata, repr(self.model_path))
        return metadata

    def with_model(self, model: nussl.ml.SeparationModel, metadata: dict) -> Self:
        separator = copy.copy(self)
        separator.take(model, metadata, "train.model_config")
        return separator

    def with_features(self, names: Sequence[str] = ()) -> Self:
        if not self.own_features:
            return self
        if self.model is None:
            self.load()
        separator = copy.copy(self)
        separator.feature_keys = asked_features(names, self.model.output_keys, self.model_path)
        return separator

    def take(self, model: nussl.ml.SeparationModel, metadata: dict, name: str) -> None:
        if self.output_key not in model.output_keys:
            raise ConfigError(
                f"{type(self).__name__} needs a network that returns {self.output_key!r}, but "
                f"{name} returns {', '.join(model.output_keys)}: choose another separator."
            )
        self.model = model
        self.features = features_of_model(metadata, model, name)
        self.stft_params = self.features.stft_params or stft_params_of_data(metadata)

    def on_device(
        self, mixes: list[nussl.AudioSignal], device: torch.device
    ) -> list[dict[str, np.ndarray]]:
        if self.model is None:
            self.load()
        self.model.to(device)
        outputs = [None] * len(mixes)
        for indices in indices_by_length(mixes):
            batch = np.stack([mixes[index].audio_data for index in indices])
            for index, output in zip(indices, self.run_network(batch, device), strict=True):
                outputs[index] = output
        return outputs

    def run_network(self, batch: np.ndarray, device: torch.device) -> list[dict[str, np.ndarray]]:
        """The network's outputs for signals `(batch, channel, sample)`: a dict for each signal."""
        with torch.inference_mode(), full_precision():
            x = torch.as_tensor(batch, dtype=torch.float32, device=device)
            output = self.model(self.features({"mix": x}))
            keys = dict.fromkeys((self.output_key, *self.feature_keys))
            arrays = [output[key].float().cpu().numpy() for key in keys]
        return [dict(zip(keys, one, strict=True)) for one in zip(*arrays, strict=True)]

    def features_in(self, device_output: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """dict, name → `(frequency, time, channel, feature)`."""
        return {key: device_output[key].swapaxes(0, 1) for key in self.feature_keys}

    def with_stft_params(self, mix: nussl.AudioSignal) -> nussl.AudioSignal:
        """The mix with the network's STFT settings."""
        return nussl.AudioSignal(
            audio_data_array=mix.audio_data,
            sample_rate=mix.sample_rate,
            stft_params=self.stft_params,
        )


@gin.register
class MaskEstimation(NetworkSeparator):
    """Applies the masks of a mask inference (or chimera) network to the mixture.

    Args:
        model_path: checkpoint, relative to the run folder.
        mask_type: "soft" uses the network's own masks; "binary" gives each bin to the largest one.
    """

    output_key = "mask"  # (time, frequency, channel, source)
    own_features = ("mask",)

    def __init__(self, model_path: str = BEST_MODEL, mask_type: str = "soft"):
        super().__init__(model_path)
        self.mask_type = checked_mask_type(type(self).__name__, mask_type)

    def finish(
        self, mix: nussl.AudioSignal, device_output: dict, sources: Mapping | None = None
    ) -> Separation:
        masks = device_output["mask"]
        if self.mask_type == "binary":
            masks = (masks == masks.max(axis=-1, keepdims=True)).astype(masks.dtype)
        mix = self.with_stft_params(mix)
        return Separation(apply_masks(mix, masks), self.features_in(device_output), mix)


@gin.register
class EmbeddingClustering(NetworkSeparator):
    """Clusters the embedding of a deep clustering (or chimera) network into masks for the mixture.

    nussl's ClusteringSeparationBase does the clustering.

    Args:
        num_sources: number of clusters.
        model_path: checkpoint, relative to the run folder.
        clustering_type: "KMeans" (soft), "MiniBatchKMeans" or "GaussianMixture".
        percentile: clusters are found from the bins louder than this percentile, 0 to 100.
        beta: hardness of the soft k-means.
        mask_type: "soft" or "binary".
        random_state: seed of the clusterer.
        clusterer: further settings of scikit-learn's class, such as `n_init`.
    """

    output_key = "embedding"  # (time, frequency, channel, embedding)
    own_features = ("embedding",)

    def __init__(
        self,
        num_sources: int,
        model_path: str = BEST_MODEL,
        clustering_type: str = "KMeans",
        percentile: float = 90,
        beta: float = 5.0,
        mask_type: str = "soft",
        random_state: int = 0,
        **clusterer: Any,
    ):
        super().__init__(model_path)
        self.clustering = {
            "num_sources": num_sources,
            "clustering_type": clustering_type,
            "percentile": percentile,
            "beta": beta,
            "mask_type": checked_mask_type(type(self).__name__, mask_type),
            "random_state": random_state,
            **clusterer,
        }

    def finish(
        self, mix: nussl.AudioSignal, device_output: dict, sources: Mapping | None = None
    ) -> Separation:
        mix = self.with_stft_params(mix)
        clustering = ClusteringSeparationBase(mix, **self.clustering)
        masks = clustering.run(features=device_output["embedding"].swapaxes(0, 1))
        masks = np.stack([mask.mask for mask in masks], axis=-1)
        estimates = apply_masks(mix, masks.swapaxes(0, 1))
        return Separation(estimates, self.features_in(device_output), mix)


@gin.register
class WaveformEstimation(NetworkSeparator):
    """Runs an end-to-end network, from one waveform to several.

    Args:
        model_path: checkpoint, relative to the run folder.
    """

    output_key = "audio"  # (channel, sample, source)

    def finish(
        self, mix: nussl.AudioSignal, device_output: dict, sources: Mapping | None = None
    ) -> list[nussl.AudioSignal]:
        audio = np.moveaxis(device_output["audio"], -1, 0)
        return [signal_like(mix, np.ascontiguousarray(one)) for one in audio]


def apply_masks(mix: nussl.AudioSignal, masks: np.ndarray) -> list[nussl.AudioSignal]:
    """Estimates from masks `(time, frequency, channel, source)`, a list of AudioSignals.

    nussl goes through magnitude and phase; multiplying is equivalent and ten times as fast.
    """
    x = torch.as_tensor(mix.audio_data, dtype=torch.float32)
    mix_stft = stft.stft(x, mix.stft_params)
    masks = torch.as_tensor(np.ascontiguousarray(masks.transpose(3, 2, 0, 1)), dtype=x.dtype)
    audio = stft.istft(masks * mix_stft, mix.signal_length, mix.stft_params)
    return [signal_like(mix, one) for one in audio.numpy()]


def indices_by_length(mixes: list[nussl.AudioSignal]) -> list[list[int]]:
    groups = defaultdict(list)
    for index, mix in enumerate(mixes):
        groups[mix.signal_length].append(index)
    return list(groups.values())


def checked_mask_type(name: str, mask_type: str) -> str:
    if mask_type not in MASK_TYPES:
        raise ConfigError(
            f"{name}.mask_type = {mask_type!r} must be one of {', '.join(MASK_TYPES)}."
        )
    return mask_type
