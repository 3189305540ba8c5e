"""Bindings for short trainings, and what one looks at after them."""

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support import road

QUICK = ("train.handlers = []", "train.num_epochs = 1")


EXPLODING = (
    "train.optimizer = @torch.optim.SGD",
    "torch.optim.SGD.lr = 1e30",
    "torch.optim.SGD.weight_decay = 1e30",
)


def told(capsys, command, *words):
    """The sentence of a call that must exit with 2."""
    assert road.call(command, *words, check=False) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("main.py ")]
    return line


def state(run):
    """All that a restart needs; not the passport, which names bindings, as those of a folder."""
    content = torch.load(run.checkpoints / "latest.pth", weights_only=True)
    return {name: one for name, one in content.items() if name not in ("passport", "checksum")}


def assert_same(one, other, where="checkpoint"):
    assert type(one) is type(other), where
    if torch.is_tensor(one):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for place, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}[{place}]")
    else:
        assert one == other, where


def events(run):
    """EventAccumulator of a run that was taken up once, with all it holds."""
    (folder,) = run.logs.glob("[0-9]*/")
    everything = {"audio": 0, "images": 0, "scalars": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()
