"""Band-split RoFormers by the package BS-RoFormer: a YAML config and a checkpoint, as people share them."""

from pathlib import Path
from typing import Any

import gin
import safetensors.torch
import torch
import yaml
from torch import nn
from torch.nn import functional

from audition.errors import ConfigError
from audition.optional import imported
from audition.separators.pieces import piece_bounds
from audition.separators.toolkits.base import Opened, Sources, ToolkitSeparator
from audition.weights.only import only_weights

NETWORKS = ("BSRoformer", "MelBandRoformer")
WRAPPERS = ("state_dict", "state", "model")  # keys under which trainings keep the weights
FADE = 10  # a chunk fades in and out over a tenth of it


class Loader(yaml.SafeLoader):
    """YAML as data, with the one tag that shared configs use."""


Loader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node))
)


@gin.register
class BSRoformerModel(ToolkitSeparator):
    """A BS-RoFormer (Lu et al., ICASSP 2024) or Mel-band RoFormer (Wang et al., 2023).

    The package has a network and no inference of its own; its users cut a mix into overlapping
    chunks and crossfade the estimates. So does this one, as the config says: `audio.chunk_size`
    samples, one beginning every `chunk_size / inference.num_overlap`. A mix that fits into a chunk
    goes through the network as it is.

    Args:
        config: YAML file, relative to the working folder: `audio` (`sample_rate`, `chunk_size`),
            `model` (arguments of the network), `training` (`instruments`, and `target_instrument` if
            the network estimates one of them: the other is what it leaves), `inference`.
        checkpoint: file with its weights: a state dict, by torch or safetensors.
        network: 'BSRoformer' or 'MelBandRoformer'.
        sources: see ToolkitSeparator.
    """

    packages = ("BS-RoFormer", "torch")

    def __init__(
        self, config: str, checkpoint: str, network: str = "BSRoformer", sources: Sources = None
    ):
        super().__init__(sources)
        self.config = config
        self.checkpoint = checkpoint
        self.network = network

    @property
    def model(self) -> str:
        return self.checkpoint

    def load(self) -> Opened:
        if self.network not in NETWORKS:
            raise ConfigError(
                f"BSRoformerModel.network = {self.network!r} is none of {', '.join(NETWORKS)}; choose one."
            )
        kind = getattr(imported("bs_roformer", "BSRoformerModel"), self.network)
        config = yaml.load(Path(self.config).read_text(), Loader)
        arguments = {name: as_tuple(value) for name, value in config["model"].items()}
        network = kind(**arguments).eval()
        network.load_state_dict(weights_in(self.checkpoint))
        chunk_samples = int(config["audio"]["chunk_size"])
        hop_samples = chunk_samples // int(config.get("inference", {}).get("num_overlap", 2))
        names = source_names(config["training"], arguments.get("num_stems", 1), self.config)
        about = {
            "network": self.network,
            "arguments": arguments,
            "chunk_and_hop": [chunk_samples, hop_samples],
            "sources": names,
        }
        rate = int(config["audio"]["sample_rate"])
        return Opened(network, rate, network.audio_channels, names, about)

    def run(self, network: nn.Module, mix: torch.Tensor) -> torch.Tensor:
        stems = in_chunks(network, mix, *self.opened.settings["chunk_and_hop"])
        if len(stems) == len(self.opened.source_names):
            return stems
        return torch.cat([stems, (mix - stems[0])[None]])


def in_chunks(
    network: nn.Module, mix: torch.Tensor, chunk_samples: int, hop_samples: int
) -> torch.Tensor:
    """Estimates `(source, channel, sample)`: of overlapping chunks, crossfaded."""
    num_samples = mix.shape[-1]
    bounds = piece_bounds(num_samples, chunk_samples, chunk_samples - hop_samples)
    if len(bounds) == 1:
        return stems_of(network, mix)
    window, total, weight = fades(chunk_samples).to(mix), 0.0, mix.new_zeros(num_samples)
    for start, stop in bounds:
        estimates = window * stems_of(network, mix[:, start:stop])
        total = total + functional.pad(estimates, (start, num_samples - stop))
        weight[start:stop] += window
    return total / weight


def stems_of(network: nn.Module, mix: torch.Tensor) -> torch.Tensor:
    """What the network makes of a mix, always with an axis of sources, and as long as the mix."""
    estimates = network(mix[None])[0]
    estimates = estimates if estimates.ndim == 3 else estimates[None]
    return functional.pad(estimates, (0, mix.shape[-1] - estimates.shape[-1]))


def fades(num_samples: int) -> torch.Tensor:
    """1, but for a ramp at either end."""
    ramp = (torch.arange(num_samples) + 0.5) / (num_samples // FADE)
    return torch.minimum(ramp, ramp.flip(0)).clamp(max=1.0)


def source_names(training: dict[str, Any], num_stems: int, path: str) -> tuple[str, ...]:
    """Names of the estimates; with a target, that and what the network leaves of the mix."""
    instruments, target = training["instruments"], training.get("target_instrument")
    if target is not None:
        others = [name for name in instruments if name != target]
        return target, others[0] if len(others) == 1 else "residual"
    if len(instruments) != num_stems:
        raise ConfigError(
            f"{path} has {len(instruments)} training.instruments for model.num_stems = {num_stems}: "
            "name one per stem, or a training.target_instrument."
        )
    return tuple(instruments)


def weights_in(path: str) -> dict[str, torch.Tensor]:
    """The state dict in a checkpoint, which may lie one level down."""
    if Path(path).suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    with only_weights(path):
        content = torch.load(path, map_location="cpu")
    return next((content[key] for key in WRAPPERS if key in content), content)


def as_tuple(value: Any) -> Any:
    """The package checks its arguments' types, and wants tuples where YAML has lists."""
    return tuple(value) if isinstance(value, list) else value
