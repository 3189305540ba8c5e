"""Loading with checksums against loading without: a training to go on with, and a network to separate.

A 2×300 BLSTM, with the state of Adam. Both sides build the network, read the file and put it in its
place, in turns, in one process and one thread; CPU seconds of the fastest turn of each.
"""

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import nussl
import torch
from nussl.ml.networks import builders

from audition import weights
from audition.files import write_and_rename
from audition.training import checkpoints

TURNS = 9
CONFIG = (129, 300, 2, True, 0.3, 2, ["sigmoid"])
METADATA = {"sample_rate": 8000, "num_channels": 1}


def build():
    """A network and its optimizer."""
    model = nussl.ml.SeparationModel(builders.build_recurrent_mask_inference(*CONFIG))
    return model, torch.optim.Adam(model.parameters())


def write(folder):
    """Writes `latest.pth` and a model file, as a training of one step does."""
    model, optimizer = build()
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    content = {"format": checkpoints.FORMAT, "model": model.state_dict()}
    content["optimizer"] = optimizer.state_dict()
    for name, kind in checkpoints.CONTENT.items():  # the rest is small
        content.setdefault(name, kind())
    content["checksum"] = checkpoints.content_checksum(content)
    torch.save(content, folder / "latest.pth")
    with write_and_rename(folder / "best.model.pth", "wb") as file:
        file.write(weights.packed(model, METADATA))


def load(folder):
    model, optimizer = build()
    content = checkpoints.read(folder / "latest.pth")
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    weights.load(folder / "best.model.pth")


@contextmanager
def unchecked():
    """Whatever a file says its checksum is, it is right."""
    with (
        mock.patch.object(checkpoints, "content_checksum", lambda content: mock.ANY),
        mock.patch.object(weights, "content_checksum", lambda content: mock.ANY),
    ):
        yield


def seconds_of(call, *arguments):
    start = time.process_time()
    call(*arguments)
    return time.process_time() - start


def main():
    torch.set_num_threads(1)
    checked, plain = [], []
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for _ in range(TURNS):
            checked.append(seconds_of(load, Path(folder)))
            with unchecked():
                plain.append(seconds_of(load, Path(folder)))
    print(f"ms: checked {1000 * min(checked):.0f}, plain {1000 * min(plain):.0f}")
    print(f"RATIO load_checked {min(checked) / min(plain):.3f} (bar at most 1.1)")


if __name__ == "__main__":
    main()
