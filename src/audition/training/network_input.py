"""Whether separation will give the network the input that it trains on, asked before days of training."""

from typing import Any

import nussl
import torch

from audition.errors import ConfigError
from audition.features import Features, features_of_model


def check_network_input(
    model: nussl.ml.SeparationModel, features: Features, metadata: dict[str, Any]
) -> None:
    """Compares what `features` and their description in `metadata` make of a second of noise.

    Args:
        metadata: what the model file will say, see `checkpoints.save_model`.

    Raises:
        ConfigError: the network reads what can't be made of a mix alone, or would get another input.
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
                f"train.model_config reads {key!r}, which train.features = @{name}() doesn't make of "
                f"a mix alone (it makes {', '.join(made)}); choose another network or features."
            )
        if not torch.equal(made[key], rebuilt[key]):
            raise ConfigError(
                f"@{name}() made again from its settings gives another {key!r}, and so would "
                "separation: keep each argument of its __init__, unchanged, as an attribute of the "
                "same name, and draw no random numbers."
            )
