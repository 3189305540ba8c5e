"""The features that a network was trained on: described in its model file, rebuilt from there."""

from typing import Any

import numpy as np
import nussl
import torch

from audition.audio import stft
from audition.configs.registered import classes_named, gin_name
from audition.errors import ConfigError
from audition.features.base import Features
from audition.features.waveform import WaveformFeatures


class FormerMagnitude(Features):
    """The magnitudes that version 0.1 fed to networks in separation; its files name no features.

    They differ in the last bit from those of SpectrogramFeatures, which these networks trained on.
    """

    def __init__(self, stft_params: nussl.STFTParams):
        self.stft_params = stft_params

    def __call__(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        magnitude = stft.stft(batch["mix"], self.stft_params).abs()
        return {"mix_magnitude": magnitude.permute(0, 2, 3, 1)}


def description(features: Features) -> dict[str, Any]:
    """`{"class": gin name, "settings": …}`, JSON-able, which a model file stores.

    Raises:
        ConfigError: gin doesn't know the class, or its settings can't be written.
    """
    name = gin_name(type(features))
    if name is None:
        raise ConfigError(
            f"train.features is a {type(features).__name__}, which separation won't find: write "
            "@gin.register above its class."
        )
    return {"class": name, "settings": features.settings()}


def features_of_model(
    metadata: dict[str, Any], model: nussl.ml.SeparationModel, path: str
) -> Features:
    """The features that make the input of `model` from the mix alone.

    Args:
        metadata: the model file's; files of version 0.1 and of nussl have no `features`, and their
            models read magnitudes or waveforms.
        path: where both came from, for errors.

    Raises:
        ConfigError: no class is registered under that name, or it doesn't accept its settings.
    """
    if "features" not in metadata:
        return former_features(metadata, list(model.input), path)
    name, settings = metadata["features"]["class"], metadata["features"]["settings"]
    found = [one for one in classes_named(name) if issubclass(one, Features)]
    if len(found) != 1:
        raise ConfigError(
            f"{path} was trained on the features {name!r}, and {len(found) or 'no'} registered "
            "classes have that name: in your .gin file, write `import …` for the one module that "
            "defines the class."
        )
    try:
        return found[0].from_settings(settings)
    except TypeError as error:
        raise ConfigError(
            f"{path} was trained on {name} with the settings {settings}, which it doesn't accept "
            f"({error}): go back to the class as it was then."
        ) from error


def former_features(metadata: dict[str, Any], inputs: list[str], path: str) -> Features:
    if inputs == ["mix_audio"]:
        return WaveformFeatures()
    if inputs == ["mix_magnitude"]:
        return FormerMagnitude(stft_params_of_data(metadata))
    raise ConfigError(
        f"{path} doesn't say what makes the input {', '.join(inputs)} of its network: use a model "
        "that `train` wrote, or nussl's own separator, "
        "@nussl.separation.deep.DeepMaskEstimation()."
    )


def stft_params_of_data(metadata: dict[str, Any]) -> nussl.STFTParams:
    """The STFTParams in a model file, with nussl's defaults where they are None."""
    silence = nussl.AudioSignal(
        audio_data_array=np.zeros((1, 2)),
        sample_rate=metadata["sample_rate"],
        stft_params=metadata["stft_params"],
    )
    return silence.stft_params
