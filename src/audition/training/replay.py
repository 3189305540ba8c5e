"""Does the step in `black_box/` again, watching every operation, and says where it stops being finite."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from audition.datasets.excerpts import EpochBatches, Excerpts
from audition.errors import ConfigError
from audition.runs.folder import Run
from audition.training import black_box, checkpoints
from audition.training.loop import build
from audition.training.settings import Settings
from audition.training.state import Training
from audition.training.step import Forward

log = logging.getLogger(__name__)
TORCH = Path(torch.__file__).parent
OUTSIDE = "outside of any layer"


class Origin(NamedTuple):
    """Where finite numbers became others.

    Attributes:
        layer: name of the layer or loss.
        operation: name of torch's function, or of its derivative.
        line: of the code, such as "permutation.py, line 33".
    """

    layer: str
    operation: str
    line: str


def replay_step(settings: Settings) -> None:
    """Prints which items, layer and operation gave the first number that is not finite."""
    run = settings.run
    black_box.check_present(run)
    if settings.step is not None:
        raise ConfigError(
            f"replay does the step that train does by itself, and not train.step = "
            f"@{type(settings.step).__name__}(), whose black box is in {run.black_box}."
        )
    quiet = SimpleNamespace(add_scalar=lambda *arguments: None)
    with ExitStack() as exits:
        training = build(replace(settings, compile_model=False), quiet, exits)
        step, weights = black_box.read(run, training.device)
        checkpoints.load_weights(training.model, weights["model"], run.black_box_weights)
    training.losses.weights = weights["losses"]
    training.losses.load_state_dict(weights.get("loss_states", {}))  # none up to version 0.2
    training.model.train()
    again = Replay(training, settings, step, weights["rng"])
    print(f"iteration {step['iteration']}: {wrong_of(step)}")
    if layers := bad_weights(training.model):
        print(f"the weights were not finite before that step: {', '.join(layers)}")
    origin = again.watched()
    for name in again.items_alone():
        print(f"item: {name}")
    if origin is None:
        print("it didn't come again: another device, package or file than when it happened?")
    else:
        print(f"layer: {origin.layer}\noperation: {origin.operation} ({origin.line})")


def wrong_of(step: dict[str, Any]) -> str:
    return ", ".join(f"{k} is {v}" for k, v in step["values"].items() if isinstance(v, str))


def bad_weights(model: torch.nn.Module) -> list[str]:
    return [name for name, one in model.named_parameters() if not is_finite(one)]


class Replay:
    """The step of a Training whose weights are those before it."""

    def __init__(self, training: Training, settings: Settings, step: dict, rng: dict):
        self.training, self.rng = training, rng
        self.iteration, self.count = step["iteration"], training.accumulate_batches
        length, stages = settings.iterations_per_epoch, settings.stages
        batches = EpochBatches(
            settings.excerpts_per_iteration, length, 0, settings.num_epochs, stages
        )
        data = Excerpts(settings.train_data, settings.excerpt_samples, step["seed"], stages)
        indices = batches.of(self.iteration)
        self.excerpts = [data.place(index) for index in indices]
        check_same(settings.run, step["excerpts"], [one._asdict() for one in self.excerpts])
        self.batch = data.__getitems__(indices)
        remix, precision = settings.remix, settings.mixed_precision
        network = training.model
        self.forward = Forward(network, settings.features, training.device, precision, remix)

    def losses(self, waveforms: dict) -> torch.Tensor:
        output, data = self.forward(waveforms)
        return self.training.losses(output, data)["loss"] / self.count

    def watched(self) -> Origin | None:
        """Where the first part of the batch that isn't finite stops to be so."""
        black_box.set_random_states(self.rng, self.training.device)
        for _, waveforms in self.forward.parts(self.batch, self.iteration, self.count):
            with Watch(self.training.model) as watch:
                loss = self.losses(waveforms)
            if origin := watch.forward_origin(loss) or watch.backward_origin(loss):
                return origin
        return None

    def items_alone(self) -> Iterator[str]:
        """Names of the items that give no finite loss or gradient even alone."""
        ((_, waveforms),) = self.forward.parts(self.batch, self.iteration, 1)
        for row, excerpt in enumerate(self.excerpts):
            black_box.set_random_states(self.rng, self.training.device)
            self.training.optimizer.zero_grad(set_to_none=True)
            loss = self.losses({name: one[row : row + 1] for name, one in waveforms.items()})
            loss.backward()
            gradients = [one.grad for one in self.training.model.parameters()]
            if not all(map(is_finite, [loss, *gradients])):
                stop = excerpt.start_sample + excerpt.num_samples
                yield f"{excerpt.item}, samples {excerpt.start_sample} to {stop}"


def check_same(run: Run, before: list[dict], now: list[dict]) -> None:
    if before != now:
        raise ConfigError(
            f"{run.black_box} was written when training on other excerpts than the config gives "
            "now; replay it with the config and the data it was trained with."
        )


class Watch(TorchFunctionMode):
    """Notes of each operation in which layer it was called, and which gave what isn't finite."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.names = {module: name for name, module in model.named_modules() if name}
        self.stack, self.made = [], {}

    def __enter__(self):
        self.hooks = [
            register_module_forward_pre_hook(lambda module, inputs: self.stack.append(module)),
            register_module_forward_hook(lambda *called: self.stack.pop() and None),
        ]
        self.anomalies = torch.autograd.set_detect_anomaly(True, check_nan=False)
        return super().__enter__()

    def __exit__(self, *error):
        self.anomalies.__exit__()
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        inputs = [one for one in tensors((args, kwargs)) if not is_finite(one)]
        for output in tensors(result):
            if output.grad_fn is not None:
                output.grad_fn.metadata.setdefault("layer", self.layer())
            if id(output) not in self.made and not is_finite(output):
                origin = Origin(self.layer(), func.__name__, line(traceback.format_stack()))
                self.made[id(output)] = output, inputs, origin
        return result

    def layer(self) -> str:
        module = self.stack[-1] if self.stack else None
        return OUTSIDE if module is None else self.names.get(module, type(module).__name__)

    def forward_origin(self, loss: torch.Tensor) -> Origin | None:
        """The operation from which the loss has its NaN, of those whose inputs were all finite."""
        origin, at = None, loss
        while id(at) in self.made:
            _, inputs, origin = self.made.pop(id(at))
            at = next((one for one in inputs if id(one) in self.made), None)
        return origin

    def backward_origin(self, loss: torch.Tensor) -> Origin | None:
        """The first derivative that gives what isn't finite for a finite gradient."""
        found = []

        def look(node, layer, before, after):
            if not found and all(map(is_finite, after)) and not all(map(is_finite, before)):
                found.append(Origin(layer, node.name(), line(node.metadata["traceback_"])))

        for node, layer in nodes(loss):
            node.register_hook(lambda b, a, node=node, layer=layer: look(node, layer, b, a))
        loss.backward()
        return found[0] if found else None


def nodes(loss: torch.Tensor) -> Iterator[tuple[Any, str]]:
    """Nodes of the graph of derivatives, with the layer of each or of what it was needed for."""
    todo, seen = [(loss.grad_fn, OUTSIDE)], set()
    while todo:
        node, layer = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            layer = node.metadata.get("layer", layer)
            yield node, layer
            todo.extend((one, layer) for one, _ in node.next_functions)


def line(stack: list[str]) -> str:
    """Of the innermost frame outside of torch and this file, the file and the line."""
    own = (str(TORCH), __file__)
    frames = [one for one in stack if not any(f'File "{path}' in one for path in own)]
    file, number, *_ = frames[-1].strip().removeprefix('File "').split(", ")
    return f"{Path(file.rstrip(chr(34))).name}, {number}"


def tensors(thing: Any) -> list[torch.Tensor]:
    return [one for one in tree_leaves(thing) if isinstance(one, torch.Tensor)]


def is_finite(tensor: torch.Tensor | None) -> bool:
    return tensor is None or not tensor.is_floating_point() or bool(tensor.isfinite().all())
