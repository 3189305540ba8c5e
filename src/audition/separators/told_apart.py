"""What a separation told the bins apart by: the features that a confidence is measured on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from nussl.separation.base import DeepMixin, SeparationBase

from audition.errors import ConfigError

OF_NETWORKS = ("embedding", "mask")  # outputs, the one to measure a confidence on first


def asked_features(
    names: Sequence[str], output_keys: list[str], model_path: str | Path
) -> tuple[str, ...]:
    """Those of a network's outputs to return as features, as a tuple of names.

    With none named: the embedding, on which nussl measures the confidence of a network that has one
    (DeepMaskEstimation.confidence), else the masks.

    Args:
        names: some of OF_NETWORKS, or none.
        output_keys: of the network.
        model_path: for the message.

    Raises:
        ConfigError: a name that the network doesn't return.
    """
    given = [key for key in OF_NETWORKS if key in output_keys]
    for name in names:
        if name not in given:
            raise ConfigError(
                f"segment_and_separate.confidence_on has {name!r}, and the network in "
                f"{str(model_path)!r} returns {' and '.join(given)}: choose of these."
            )
    return tuple(names) or tuple(given[:1])


def features_of(built: SeparationBase, names: Sequence[str]) -> dict[str, np.ndarray]:
    """dict, name → `(frequency, time, channel, feature)`, of a nussl object that has run.

    Args:
        built: nussl SeparationBase.
        names: of OF_NETWORKS; empty for the features that it clustered or, where it clusters
            nothing, its masks.
    """
    if names:
        of_network = {"embedding": embedding_of, "mask": masks_of}
        return {name: of_network[name](built) for name in names}
    features = getattr(built, "features", None)
    if features is not None:
        return {"embedding" if isinstance(built, DeepMixin) else "features": features}
    return {"mask": masks_of(built)} if getattr(built, "result_masks", None) else {}


def masks_of(built: SeparationBase) -> np.ndarray:
    return np.stack([mask.mask for mask in built.result_masks], axis=-1)


def embedding_of(built: SeparationBase) -> np.ndarray:
    """Of a DeepMaskEstimation that has run; channels that went in as a batch are channels again."""
    embedding = built.model_output["embedding"]  # (batch, time, frequency, channel, embedding)
    if built.metadata["num_channels"] == 1:
        embedding = embedding.transpose(0, -2)
    return embedding.squeeze(0).transpose(0, 1).cpu().numpy()
