"""Networks from waveforms to waveforms: any `nn.Module`, in place of a config of layers."""

import functools
import inspect
from typing import Any

from torch import Tensor, nn

from audition.errors import ConfigError
from audition.models.blocks import building_block

NETWORKS: dict[str, type[nn.Module]] = {}  # those that `waveform_network` decorates, by name


def waveform_network(cls: type[nn.Module]) -> type[nn.Module]:
    """Class decorator for a network that `train.model` may name, such as `@ConvTasNet()`.

    Its forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`. Its arguments must be JSON, or such networks themselves: they
    travel in the model file.
    """
    init = cls.__init__

    @functools.wraps(init)
    def recording(self, *args, **kwargs):
        given = inspect.signature(init).bind(self, *args, **kwargs)
        given.apply_defaults()
        init(self, *args, **kwargs)
        if type(self).__name__ == cls.__name__:
            arguments = list(given.arguments.items())[1:]
            self.settings = {
                name: described(one) if isinstance(one, nn.Module) else one
                for name, one in arguments
            }

    cls.__init__ = recording
    NETWORKS[cls.__name__] = cls
    return building_block(cls)


@building_block
class WaveformNetwork(nn.Module):
    """A network from waveforms to waveforms as a layer of nussl's `SeparationModel`.

    Args:
        network: dict of its `class`, a name in NETWORKS, and its `args`; a model file says both.
    """

    def __init__(self, network: dict[str, Any]):
        super().__init__()
        self.network = built(network)

    def forward(self, mix_audio: Tensor) -> Tensor:
        """Estimates `(batch, channel, sample, source)` of mixtures `(batch, channel, sample)`."""
        return self.network(mix_audio).movedim(1, -1)


def built(network: dict[str, Any]) -> nn.Module:
    """A network, with new weights, by what `described` says of it."""
    name = network["class"]
    if name not in NETWORKS:
        raise ConfigError(
            f"{name!s:.80} is no network from waveforms to waveforms that is known here; in your "
            ".gin file, write `import …` for the module that defines it."
        )
    return NETWORKS[name](**network["args"])


def described(network: nn.Module) -> dict[str, Any]:
    """Dict of a network's `class`, the name of a registered module, and its `args`.

    Raises:
        ConfigError: its class is not decorated with `waveform_network`.
    """
    if not hasattr(network, "settings"):
        raise ConfigError(
            f"train.model = @{type(network).__name__}() can't be saved: decorate its class with "
            "audition.models.waveform_network."
        )
    return {"class": type(network).__name__, "args": network.settings}


def config_of(network: nn.Module) -> dict[str, Any]:
    """The config of a `SeparationModel` that holds a network like this one, with new weights."""
    return {
        "name": type(network).__name__,
        "modules": {
            "mix_audio": {},
            "audio": {"class": "WaveformNetwork", "args": {"network": described(network)}},
        },
        "connections": [["audio", ["mix_audio"]]],
        "output": ["audio"],
    }
