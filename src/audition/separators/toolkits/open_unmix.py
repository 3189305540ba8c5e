"""Networks that Open-Unmix trained: Stöter, Uhlich, Liutkus and Mitsufuji, JOSS 2019."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin
import torch
from torch import nn

from audition.errors import ConfigError
from audition.optional import imported
from audition.separators.toolkits.base import Opened, Sources, ToolkitSeparator
from audition.weights.only import only_weights

SEPARATOR = "separator.json"


@gin.register
class OpenUnmixModel(ToolkitSeparator):
    """The networks of Open-Unmix, one per target, and its multichannel Wiener filter.

    Run as `openunmix.predict.separate` does; each track at once, but for the filter.

    Args:
        name: 'umxl', 'umxhq', 'umx' or 'umxse', which openunmix downloads; or a folder, relative to
            the working folder, with separator.json and each target's .json and .pth, as its
            training leaves them.
        targets: sources to estimate; None takes all there are.
        residual: True adds what the targets leave of the mix, as a source 'residual'.
        niter: iterations of the Wiener filter; 0 only applies the masks.
        wiener_win_len: frames that are filtered together; None is all of them.
        sources: see ToolkitSeparator.
    """

    packages = ("openunmix", "torch")

    def __init__(
        self,
        name: str = "umxl",
        targets: Sequence[str] | None = None,
        residual: bool = False,
        niter: int = 1,
        wiener_win_len: int | None = 300,
        sources: Sources = None,
    ):
        super().__init__(sources)
        self.name = name
        self.targets = targets
        self.residual = residual
        self.niter = niter
        self.wiener_win_len = wiener_win_len

    @property
    def model(self) -> str:
        return self.name

    def settings(self) -> dict[str, Any]:
        names = ("residual", "niter", "wiener_win_len")
        return {**super().settings(), **{name: getattr(self, name) for name in names}}

    def load(self) -> Opened:
        utils = imported("openunmix.utils", "OpenUnmixModel")
        with only_weights(self.name):
            separator = utils.load_separator(
                self.name,
                targets=self.targets or self.targets_in_folder(),
                niter=self.niter,
                residual=self.residual,
                wiener_win_len=self.wiener_win_len,
            )
        separator.freeze()
        names = (*separator.target_models, *["residual"] * self.residual)
        first = next(iter(separator.target_models.values()))
        num_channels = first.fc1.in_features // first.nb_bins
        about = {"targets": names, "n_fft": separator.stft.n_fft, "n_hop": separator.stft.n_hop}
        return Opened(separator, int(separator.sample_rate), num_channels, names, about)

    def targets_in_folder(self) -> list[str] | None:
        folder = Path(self.name)
        if not folder.exists():
            return None  # a name, whose targets openunmix knows
        found = sorted(path.stem for path in folder.glob("*.json") if path.name != SEPARATOR)
        if not found:
            raise ConfigError(
                f"OpenUnmixModel.name = {self.name!r} is a folder without a <target>.json: give one "
                "that Open-Unmix's training wrote, or umxl, umxhq, umx or umxse."
            )
        return found

    def run(self, network: nn.Module, mix: torch.Tensor) -> torch.Tensor:
        return network(mix[None])[0]
