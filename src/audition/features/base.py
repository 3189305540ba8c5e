"""The base class of all features."""

import inspect
import json
from typing import Any, Self

import nussl
import torch

from audition.errors import ConfigError


class Features:
    """Makes what a network and its losses read, in training and in separation alike.

    A subclass is registered and has a `__call__`. It keeps each argument of its `__init__` as an
    attribute of the same name: these go into the model file, and separation passes them to
    `__init__` to make the same object again.

        @gin.register
        class LoudestSample(Features):
            def __init__(self, floor):
                self.floor = floor

            def __call__(self, batch):
                return {"loudest": batch["mix"].abs().amax(-1).clamp_min(self.floor)}

    Attributes:
        stft_params: STFTParams of the masks' bins, or None. `MaskEstimation` and
            `EmbeddingClustering` apply the network's masks to the mixture's STFT with these
            settings, and `train.excerpt_frames` counts its frames; see `complete_stft_params`.
    """

    stft_params: nussl.STFTParams | None = None

    def __call__(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Features of a batch, on its device; the batch itself is not changed.

        The network reads the features that its config names as inputs; losses may read any. What
        the network reads must depend on the mix alone, and be the same with and without sources.

        Args:
            batch: dict of `mix` `(batch, channel, sample)` and, in training and validation,
                `sources` `(batch, source, channel, sample)` and what `build_dataset.item_transforms`
                add, batch first.

        Returns:
            dict, name → tensor with the batch first.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__ method.")

    def settings(self) -> dict[str, Any]:
        """The arguments that make this object again, as JSON stores them: tuples become lists.

        Override this and `from_settings` if arguments can't be kept under their own names.
        """
        name = type(self).__name__
        arguments = inspect.signature(type(self)).parameters
        missing = [argument for argument in arguments if not hasattr(self, argument)]
        if missing:
            raise ConfigError(
                f"{name} doesn't keep its argument {missing[0]!r}, which separation needs to make "
                f"it again: write `self.{missing[0]} = {missing[0]}` in its __init__."
            )
        values = {argument: getattr(self, argument) for argument in arguments}
        try:
            return json.loads(json.dumps(values))
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{name}'s settings can't be written into a model file as JSON ({error}): use "
                "numbers, strings, lists and dicts as arguments, or override its `settings`."
            ) from error

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """The object with these `settings`; a list `stft_params` becomes STFTParams again."""
        stft_params = settings.get("stft_params")
        if stft_params is not None:
            settings = {**settings, "stft_params": nussl.STFTParams(*stft_params)}
        return cls(**settings)

    def num_samples(self, num_frames: int) -> int:
        """The greatest number of samples whose STFT has exactly `num_frames` frames."""
        if self.stft_params is None:
            raise ConfigError(
                f"{type(self).__name__} has no frames; bind train.excerpt_seconds instead of "
                "train.excerpt_frames."
            )
        window_length, hop_length, _ = self.stft_params
        return (num_frames - 1) * hop_length + window_length % 2

    def nussl_transform(self) -> Any:
        """The nussl transforms that give the same numbers for one item, or None.

        They go into the model file, where only nussl's own separators read them.
        """
        return None


def complete_stft_params(stft_params: nussl.STFTParams) -> nussl.STFTParams:
    """`stft_params` with nussl's default window if none is named.

    Raises:
        ConfigError: a length is missing.
    """
    if not (stft_params.window_length and stft_params.hop_length):
        raise ConfigError(
            f"train.features has stft_params = {stft_params}, which lacks a length: bind "
            "STFTParams.window_length and STFTParams.hop_length, in samples."
        )
    return stft_params._replace(
        window_type=stft_params.window_type or nussl.constants.WINDOW_DEFAULT
    )
