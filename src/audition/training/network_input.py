"""Checks, before days of training, that separation will give the network the same input."""

from typing import Any

import nussl
import torch

from audition.errors import ConfigError
from audition.features import Features, features_of_model


def check_network_input(
    model: nussl.ml.SeparationModel, features: Features, metadata: dict[str, Any]
) -> None:
    """Compares `features` with those rebuilt from `metadata`, on a second of noise.

    Args:
        metadata: what the model file will hold, see `checkpoints.save_model`.

    Raises:
        ConfigError: the network's input needs more than the mix, or would differ in separation.
    """
    name = type(features).__name__
    generator = torch.Generator().manual_seed(0)
    shape = (1, metadata["num_channels"], metadata["sample_rate"])
    mix = torch.rand(shape, generator=generator) - 0.5
    made = features({"mix": mix})
    rebuilt = features_of_model(metadata, model, "train.model_config")({"mix": mix})
    for key in model.input:
        if key not in made:
            raise ConfigError(
                f"train.model_config reads {key!r}, which train.features = @{name}() doesn't make "
                f"from a mix alone (it makes {', '.join(made)}); choose another network or "
                "features."
            )
        if not torch.equal(made[key], rebuilt[key]):
            raise ConfigError(
                f"@{name}() rebuilt from its settings gives a different {key!r}, and so would "
                "separation: keep each argument of its __init__, unchanged, as an attribute of the "
                "same name, and draw no random numbers."
            )
