"""Networks that asteroid trained: what its `serialize()` wrote, or a name on the hub."""

import inspect
from types import ModuleType
from typing import Any

import gin
import torch
from torch import nn
from torch.torch_version import TorchVersion

from audition.errors import ConfigError
from audition.optional import imported
from audition.separators.toolkits.base import Opened, ToolkitSeparator
from audition.weights.only import only_weights


@gin.register
class AsteroidModel(ToolkitSeparator):
    """A model file of asteroid, run as `asteroid.separate.torch_separate` does.

    That scales the estimates, so that all of them together are as loud as the mix.

    Args:
        path_or_hub_name: file with what `model.serialize()` returned, relative to the working
            folder; or a name that asteroid downloads, such as 'mpariente/ConvTasNet_WHAM!_sepclean'.
        window_seconds: asteroid separates a signal in one go; a number cuts it into windows of that
            length, half overlapping, by its LambdaOverlapAdd.
    """

    packages = ("asteroid", "asteroid-filterbanks", "torch")

    def __init__(self, path_or_hub_name: str, window_seconds: float | None = None):
        super().__init__()
        self.path_or_hub_name = path_or_hub_name
        self.window_seconds = window_seconds

    @property
    def model(self) -> str:
        return self.path_or_hub_name

    def settings(self) -> dict:
        return {**super().settings(), "window_seconds": self.window_seconds}

    def load(self) -> Opened:
        models = imported("asteroid.models", "AsteroidModel")
        hub = imported("asteroid.utils.hub_utils", "AsteroidModel")
        path = hub.cached_download(self.path_or_hub_name)
        with only_weights(path, TorchVersion):  # which is text, and noted in the file
            about = torch.load(path, map_location="cpu")
        kind = network_class(models, about["model_name"], path)
        arguments = about["model_args"]
        if arguments.get("sample_rate") is None:  # files of asteroid's first versions
            arguments["sample_rate"] = hub.SR_HASHTABLE.get(self.path_or_hub_name, 8000.0)
        network = kind.from_pretrained(about).eval()
        settings = {"network": kind.__name__, "arguments": arguments}
        return Opened(network, int(network.sample_rate), settings=settings)

    def run(self, network: nn.Module, mix: torch.Tensor) -> torch.Tensor:
        separate = imported("asteroid.separate", "AsteroidModel").torch_separate
        estimates = separate(self.windowed(network), mix[None])[0].unsqueeze(1)
        return estimates if mix.any() else torch.zeros_like(estimates)  # it divided 0 by 0

    def windowed(self, network: nn.Module) -> nn.Module:
        if self.window_seconds is None:
            return network
        overlap_add = imported("asteroid.dsp.overlap_add", "AsteroidModel").LambdaOverlapAdd
        window_samples = 2 * round(self.window_seconds * network.sample_rate / 2)
        return overlap_add(network, None, window_samples)


def network_class(models: ModuleType, name: Any, path: str) -> type[nn.Module]:
    """The network that a file names; asteroid would call any name of its module with the arguments.

    Raises:
        ConfigError: it is none.
    """
    listed = {one: getattr(models, one) for one in models.__all__}
    known = {
        one: kind
        for one, kind in listed.items()
        if inspect.isclass(kind) and issubclass(kind, models.BaseModel)
    }
    if name not in known:
        raise ConfigError(
            f"{path} holds a {name!s:.80}, and asteroid's networks are {', '.join(known)}: give a "
            "file of one of these."
        )
    return known[name]
