"""What a model file says of the features its network was trained on, and the features made of that."""

from typing import Any

import numpy as np
import nussl

from audition.audio import stft
from audition.configs.registered import classes_named, gin_name
from audition.errors import ConfigError
from audition.features.base import Features
from audition.features.waveform import WaveformFeatures


class FormerMagnitude(Features):
    """The magnitudes that separation gave a network up to version 0.1, whose files name no features.

    They differ in the last bit from those of SpectrogramFeatures, which such networks trained on.
    """

    def __init__(self, stft_params):
        self.stft_params = stft_params

    def __call__(self, batch):
        magnitude = stft.stft(batch["mix"], self.stft_params).abs()
        return {"mix_magnitude": magnitude.permute(0, 2, 3, 1)}


def description(features: Features) -> dict[str, Any]:
    """`{"class": gin name, "settings": …}` as JSON has it: what a model file says of `features`.

    Raises:
        ConfigError: a class that gin doesn't know, or settings that can't be written.
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
    """The features that make the input of `model`, given the mix alone.

    Args:
        metadata: of the model file; one of version 0.1 or of nussl's own has no `features`, and
            then `model` reads magnitudes or waveforms.
        path: where both came from, for messages.

    Raises:
        ConfigError: nothing registers such features, or they don't accept their settings.
    """
    if "features" not in metadata:
        return former_features(metadata, list(model.input), path)
    name, settings = metadata["features"]["class"], metadata["features"]["settings"]
    found = [one for one in classes_named(name) if issubclass(one, Features)]
    if len(found) != 1:
        raise ConfigError(
            f"{path} was trained on the features {name!r}, and {len(found) or 'no'} registered "
            "classes have that name: write `import …` in your .gin, of the one module that holds "
            "the class."
        )
    try:
        return found[0].from_settings(settings)
    except TypeError as error:
        raise ConfigError(
            f"{path} was trained on {name} with the settings {settings}, which it doesn't accept "
            f"({error}): take the class as it was then."
        ) from error


def former_features(metadata, inputs, path):
    if inputs == ["mix_audio"]:
        return WaveformFeatures()
    if inputs == ["mix_magnitude"]:
        return FormerMagnitude(stft_params_of_data(metadata))
    raise ConfigError(
        f"{path} doesn't say what makes the input {', '.join(inputs)} of its network: take a model "
        "that `train` wrote, or nussl's own separator, "
        "@nussl.separation.deep.DeepMaskEstimation()."
    )


def stft_params_of_data(metadata):
    """The STFTParams of a model file with nussl's defaults where it says None."""
    silence = nussl.AudioSignal(
        audio_data_array=np.zeros((1, 2)),
        sample_rate=metadata["sample_rate"],
        stft_params=metadata["stft_params"],
    )
    return silence.stft_params
