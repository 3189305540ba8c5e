"""Networks that Demucs trained: Défossez et al., by a name that its authors published, or a folder."""

import contextlib
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import gin
import safetensors
import torch
import yaml
from torch import nn

from audition.errors import ConfigError
from audition.optional import imported
from audition.separators.toolkits.base import Opened, Sources, ToolkitSeparator
from audition.weights.only import only_weights

NETWORKS = {"Demucs": "demucs.demucs", "HDemucs": "demucs.hdemucs", "HTDemucs": "demucs.htdemucs"}


@gin.register
class DemucsModel(ToolkitSeparator):
    """A network of Demucs or a bag of several, run as `demucs.api.Separator.separate_tensor` does.

    Rouard, Massa and Défossez, "Hybrid transformers for music source separation", ICASSP 2023. The
    mix is normalised, cut into overlapping segments of the network's length, and shifted by a random
    time of up to half a second, drawn alike for every mix.

    Args:
        name: 'htdemucs', 'htdemucs_ft', 'htdemucs_6s', 'hdemucs_mmi', 'mdx_extra', … on the hub of
            Demucs' authors; or what is in the folder.
        folder: None; or a folder, relative to the working folder, with a `<name>.yaml` and the
            checkpoints it lists, or the checkpoint `<name>.th` or `<name>-<checksum>.th`.
        shifts: how many random shifts are averaged; 0 shifts nothing.
        overlap: share of a segment that is in the next one as well, 0 to 1.
        segment_seconds: None takes the network's own; of a transformer no longer one.
        sources: see ToolkitSeparator.
    """

    packages = ("demucs", "julius", "torch")

    def __init__(
        self,
        name: str = "htdemucs",
        folder: str | None = None,
        shifts: int = 1,
        overlap: float = 0.25,
        segment_seconds: float | None = None,
        sources: Sources = None,
    ):
        super().__init__(sources)
        self.name = name
        self.folder = folder
        self.shifts = shifts
        self.overlap = overlap
        self.segment_seconds = segment_seconds

    @property
    def model(self) -> str:
        return self.name if self.folder is None else f"{self.folder}/{self.name}"

    def settings(self) -> dict[str, Any]:
        names = ("shifts", "overlap", "segment_seconds")
        return {**super().settings(), **{name: getattr(self, name) for name in names}}

    def load(self) -> Opened:
        bag_of_models = imported("demucs.apply", "DemucsModel").BagOfModels
        bag = self.bag()
        networks = [self.network(signature) for signature in bag["models"]]
        together = bag_of_models(networks, bag.get("weights"), bag.get("segment"))
        about = {
            "networks": [f"{type(one).__name__}{one._init_args_kwargs}" for one in networks],
            **{name: one for name, one in bag.items() if name != "models"},
        }
        names = tuple(together.sources)
        return Opened(together.eval(), together.samplerate, together.audio_channels, names, about)

    def bag(self) -> dict[str, Any]:
        """The signatures of networks, `models`, and how they share the sources, `weights`."""
        if self.folder is None:
            return yaml.safe_load(self.fetched(f"{self.short_name}.yaml").read_text())
        described = Path(self.folder, f"{self.name}.yaml")
        return (
            yaml.safe_load(described.read_text())
            if described.is_file()
            else {"models": [self.name]}
        )

    def network(self, signature: str) -> nn.Module:
        if self.folder is None:
            return from_safetensors(self.fetched(f"{signature}.safetensors"))
        found = sorted(Path(self.folder).glob(f"{signature}*.th"))
        found = [one for one in found if one.stem.partition("-")[0] == signature]
        if len(found) != 1:
            raise ConfigError(
                f"DemucsModel.folder = {self.folder!r} has {len(found) or 'no'} checkpoints "
                f"{signature}.th or {signature}-<checksum>.th: one is needed."
            )
        return from_checkpoint(found[0])

    @property
    def short_name(self) -> str:
        return self.name.rpartition("/")[2]

    def fetched(self, file: str) -> Path:
        """A file of Demucs' repositories on the hub, downloaded unless it is there already."""
        hub = imported("demucs.hf", "DemucsModel")
        owner = self.name.rpartition("/")[0] or hub.DEFAULT_NAMESPACE
        download = imported("huggingface_hub", "DemucsModel").hf_hub_download
        return Path(download(f"{owner}/{hub.hf_repo_name(self.short_name)}", file))

    def run(self, network: nn.Module, mix: torch.Tensor) -> torch.Tensor:
        mono = mix.mean(dim=0)
        mean, scale = mono.mean(), mono.std() + 1e-8
        apply_model = imported("demucs.apply", "DemucsModel").apply_model
        with same_shifts():
            estimates = apply_model(
                network,
                ((mix - mean) / scale)[None],
                shifts=self.shifts,
                overlap=self.overlap,
                segment=self.segment_seconds,
            )
        return estimates[0] * scale + mean


def from_checkpoint(path: Path) -> nn.Module:
    """The network in a checkpoint that Demucs wrote, whose pickle names its class."""
    states = imported("demucs.states", "DemucsModel")
    if "-" in path.stem:
        check = imported("demucs.repo", "DemucsModel").check_checksum
        check(path, path.stem.partition("-")[2])
    networks = [getattr(imported(one, "DemucsModel"), name) for name, one in NETWORKS.items()]
    with only_weights(str(path), *networks, Fraction):
        package = torch.load(path, map_location="cpu")
    if package["klass"] not in networks:
        raise not_its_own(path, package["klass"])
    return states.load_model(package)


def from_safetensors(path: Path) -> nn.Module:
    """The network in a file of the hub; its metadata name a class, which Demucs would call."""
    with safetensors.safe_open(path, framework="pt") as file:
        about = file.metadata()
    known = [f"{module}.{name}" for name, module in NETWORKS.items()]
    if about["klass"] not in known or "structure" in about:  # which quantised networks have
        raise not_its_own(path, about["klass"])
    return imported("demucs.hf", "DemucsModel").load_safetensors_model(path)


def not_its_own(path: Path, kind: Any) -> ConfigError:
    return ConfigError(
        f"{path} holds a {kind!s:.80}, and Demucs' networks are {', '.join(NETWORKS)}, not "
        "quantised: give a file of one of these."
    )


@contextlib.contextmanager
def same_shifts() -> Iterator[None]:
    """Demucs draws its shifts from Python's generator."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)
