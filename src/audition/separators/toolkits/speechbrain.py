"""Networks that SpeechBrain trained: a folder with hyperparams.yaml and weights, or one on the hub."""

import inspect
import pydoc
from collections.abc import Iterator
from pathlib import Path

import gin
import torch
import yaml
from torch import nn

from audition.errors import ConfigError
from audition.identity import fingerprint
from audition.optional import imported
from audition.separators.toolkits.base import Opened, ToolkitSeparator
from audition.weights.only import only_weights

HYPERPARAMS = "hyperparams.yaml"
PRETRAINER = "!new:speechbrain.utils.parameter_transfer.Pretrainer"
LAYERS = ("speechbrain.lobes.models.", "speechbrain.nnet.", "speechbrain.processing.", "torch.nn.")
PLAIN = ("map", "seq", "str", "int", "float", "bool", "null", "merge", "timestamp")
HARMLESS = {PRETRAINER, "!ref", "!copy", "!tuple", *(f"tag:yaml.org,2002:{one}" for one in PLAIN)}


@gin.register
class SpeechBrainSeparator(ToolkitSeparator):
    """A SepFormer or another mask network of SpeechBrain, run as `SepformerSeparation` does.

    That is its `separate_batch`; its `separate_file` scales every estimate to a peak of 1 as well,
    after which estimates no longer add up to a mix.

    Args:
        source: folder, relative to the working folder, with hyperparams.yaml and the weights that
            SpeechBrain's Pretrainer collects; or a name on the hub, such as
            'speechbrain/sepformer-wsj02mix'.
    """

    packages = ("speechbrain", "hyperpyyaml", "torch")

    def __init__(self, source: str):
        super().__init__()
        self.source = source

    @property
    def model(self) -> str:
        return self.source

    def load(self) -> Opened:
        separation = imported("speechbrain.inference.separation", type(self).__name__)
        fetch = imported("speechbrain.utils.fetching", type(self).__name__).fetch
        load_hyperpyyaml = imported("hyperpyyaml", type(self).__name__).load_hyperpyyaml
        path = fetch(HYPERPARAMS, source=self.source)
        text = checked_hyperparams(Path(path).read_text(encoding="utf-8"), path)
        with only_weights(self.source):
            settings = load_hyperpyyaml(text)
            pretrainer = settings["pretrainer"]
            pretrainer.set_collect_in(None)  # it would write there
            pretrainer.collect_files(default_source=self.source)
            pretrainer.load_collected()
        network = separation.SepformerSeparation(
            modules=settings["modules"], hparams=settings, run_opts={"device": "cpu"}
        )
        about = {"hyperparams": fingerprint(text)}
        return Opened(network.eval(), int(settings["sample_rate"]), settings=about)

    def run(self, network: nn.Module, mix: torch.Tensor) -> torch.Tensor:
        network.device = mix.device  # where it puts what it is given
        return network.separate_batch(mix)[0].T.unsqueeze(1)


def checked_hyperparams(text: str, path: str | Path) -> str:
    """The YAML again, provided that it only builds layers of SpeechBrain and torch.

    HyperPyYAML calls whatever Python can import where a tag says so (`!new:`, `!apply:`,
    `!include:`), and in the text of what looks like a tuple, "(!!python/…)". Comments are left
    out: two YAML parsers will read this, which may not agree on where one ends.

    Raises:
        ConfigError: it does more.
    """
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    for node in nodes(tree):
        said = node.value if isinstance(node.value, str) and "!" in node.value else node.tag
        if said not in HARMLESS and not builds_layer(said):
            raise ConfigError(
                f"{path} has {said!s:.80}, where it may only build layers of SpeechBrain and torch, so "
                "it was not opened: it could do anything."
            )
    return yaml.serialize(tree)


def builds_layer(tag: str) -> bool:
    """Whether a tag builds or names a layer, by the address where it is defined."""
    kind, _, name = tag.partition(":")
    if kind not in ("!new", "!name") or not name.startswith(LAYERS):
        return False
    found = pydoc.locate(name)  # which follows any attribute, such as a module's `os`
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        return False
    return name in (f"{found.__module__}.{found.__name__}", f"torch.nn.{found.__name__}")


def nodes(tree: yaml.Node) -> Iterator[yaml.Node]:
    """All nodes of a YAML tree, each once, keys among them."""
    waiting, seen = [tree], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, tuple):  # key and value
            waiting += node
        elif id(node) not in seen:
            seen.add(id(node))
            waiting += node.value if isinstance(node.value, list) else []
            yield node
