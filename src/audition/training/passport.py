"""What a training was begun with: `resume` refuses to go on silently with anything else."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch.optim import Optimizer

from audition.configs import raw_binding
from audition.configs.reach import bindings_below, listed
from audition.datasets.identity import describe_content
from audition.datasets.split import Split
from audition.errors import ConfigError
from audition.identity import describe, in_short

if TYPE_CHECKING:  # settings check that a step is one, and a step may write a checkpoint
    from audition.training.settings import Settings

# by default; what it depends on is included
MAY_CHANGE = ("train.num_epochs", "add_lr_scheduler_handler")
AS_THEY_ARE = (
    *("features", "model_config", "loss_dictionary", "val_loss_dictionary", "loss_combination"),
    *(
        "excerpt_frames",
        "excerpt_seconds",
        "curriculum",
        "batch_size",
        "accumulate_batches",
        "num_epochs",
    ),
    *("val_epoch_length", "seed", "remix", "mixed_precision"),
)
UNBOUND = "not bound"
WIDTH = 60  # of a value in a sentence


class Difference(NamedTuple):
    """How a setting differs from the checkpoint's.

    Attributes:
        name: argument of `train`, such as `train.features`, or name of a handler.
        bindings: name → `(text then, text now)` of those that it depends on and that differ.
        place: where in the setting itself, such as `train.features.range_max`.
        then, now: values at that place.
    """

    name: str
    bindings: dict[str, tuple[str, str]]
    place: str
    then: Any
    now: Any

    @property
    def names(self) -> list[str]:
        return list(self.bindings) or [self.name]

    def is_allowed(self, allowed: Sequence[str]) -> bool:
        def fits(name):
            return any(covers(entry, name) for entry in allowed)

        return fits(self.name) or all(map(fits, self.names))

    def __str__(self) -> str:
        if not self.bindings:
            return f"{self.place} is {brief(self.then)} in the checkpoint and {brief(self.now)} now"
        binding, (then, now) = next(iter(self.bindings.items()))
        whose = "" if covers(self.name, binding) else f" (for {self.name})"
        return f"{binding}{whose} is {cut(then)} in the checkpoint and {cut(now)} now"


def passport(settings: "Settings", optimizer: Optimizer) -> dict[str, dict]:
    """Name → `{"value": description, "bound": text, "bindings": binding → text}` of all that shapes
    what is optimised, or which excerpts are drawn; in plain values.

    Device, workers, how often checkpoints are written and what only watches don't.

    Args:
        optimizer: the one that `settings.optimizer` gave.
    """
    values = {
        "train_data": content(settings.train_data),
        "val_data": settings.val_data and content(settings.val_data),
        **{name: describe(getattr(settings, name)) for name in AS_THEY_ARE},
        "step": settings.step
        and {
            "class": describe(type(settings.step)),
            "bindings": bindings_below(raw_binding("train.step")),
        },
        "model": None if settings.model is None else describe(settings.network),
        "epoch_length": settings.iterations_per_epoch,
        "optimizer": {"class": type(optimizer).__name__, "settings": describe(optimizer.defaults)},
        "handlers": [
            name_of(one) for one in settings.handlers if not getattr(one, "only_watches", False)
        ],
    }
    found = {}
    for name, value in values.items():
        bound = raw_binding(f"train.{name}")
        below = bindings_below(bound) if name != "handlers" else {}  # each has an entry of its own
        found[f"train.{name}"] = {"value": value, "bound": repr(bound), "bindings": below}
    for name, below in listed(raw_binding("train.handlers")):
        if name in values["handlers"]:
            found[name] = {"value": below, "bound": name, "bindings": below}
    return json.loads(json.dumps(found, default=str))


def content(data: Split) -> dict[str, Any]:
    return {**describe_content(data), "item_transforms": describe(data.item_transforms)}


def name_of(handler: Callable) -> str:
    return getattr(getattr(handler, "func", handler), "__name__", type(handler).__name__)


def check(then: dict, now: dict, allowed: Sequence[str], path: Path) -> list[Difference]:
    """The differences between two passports, all of which are allowed.

    Args:
        allowed: names of settings or bindings, or parts of them up to a dot.
        path: of the checkpoint that holds `then`.

    Raises:
        ConfigError: a setting differs that may not change.
    """
    found = list(differences(then, now))
    refused = [one for one in found if not one.is_allowed(allowed)]
    if refused:
        first, others = refused[0], sorted({name for one in refused[1:] for name in one.names})
        more = f" ({', '.join(others)} differ, too)" if others else ""
        wider = [*allowed, *dict.fromkeys([*first.names, *others])]
        raise ConfigError(
            f"{first}{more}: go on with what {path} was trained with, instantiate a new run, or "
            f"bind resume.allow = {wider} if it may change."
        )
    return found


def differences(then: dict, now: dict) -> Iterator[Difference]:
    """The Differences of two passports. A name that only one has is a handler, and in the lists of
    handlers."""
    for name in [name for name in now if name in then]:
        values = then[name]["value"], now[name]["value"]
        for place, *two in first_difference(name, *values):
            yield Difference(name, changed_bindings(name, then[name], now[name]), place, *two)


def changed_bindings(name: str, then: dict, now: dict) -> dict[str, tuple[str, str]]:
    """Binding → `(text then, text now)` of those that tell why a setting differs; {} if its own
    value does."""
    bound = then["bound"], now["bound"]
    if bound[0] != bound[1]:
        return {name: bound} if any(text.startswith("@") for text in bound) else {}
    texts = then["bindings"], now["bindings"]
    both = {key: [one.get(key, UNBOUND) for one in texts] for key in {**texts[0], **texts[1]}}
    return {key: (old, new) for key, (old, new) in both.items() if old != new}


def first_difference(place: str, then: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """`[(place, value then, value now)]` of the first place where two descriptions differ, or [].

    Settings that only one of two objects of a class has came with another version and don't count.
    """
    if then == now:
        return []
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return [(place, then, now)]
    keys = {**then, **now}
    if place.endswith(".settings"):
        place, keys = place.removesuffix(".settings"), then.keys() & now.keys()
    each = (first_difference(f"{place}.{key}", then.get(key), now.get(key)) for key in keys)
    return next(filter(None, each), [])


def covers(entry: str, name: str) -> bool:
    """Whether `name` is `entry` or begins with it: after a scope, a module, and up to a dot."""
    dotted = name.replace("/", ".")
    return f".{entry.replace('/', '.')}." in f".{dotted}."


def brief(value: Any) -> str:
    is_object = isinstance(value, dict) and "class" in value
    return cut(in_short(value) if is_object else repr(value))


def cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
