"""Between two epochs, the host waits for the device nowhere: it runs ahead, and numbers come later."""

import functools
import traceback

import gin
import pytest
import torch
from ignite.engine import Events
from nussl.ml.networks import builders
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from audition import handlers
from audition.commands.train import train
from audition.features import SpectrogramFeatures, WaveformFeatures
from audition.mixing.remix import RemixStems
from audition.runs.folder import Run
from tests.support import voices

CALLS = ("tolist", "cpu", "tensor", "as_tensor")  # the last two copy from memory that isn't pinned
OPERATIONS = ("_local_scalar_dense", "nonzero", "masked_select", "equal")  # float(), bool(), item()


def is_told():
    """Whether torch's optimizers ask: for their counters, which are on the host."""
    return any("torch/optim" in frame.filename for frame in traceback.extract_stack(limit=25))


class Calls(TorchFunctionMode):
    """Notes methods and functions of Python for which a GPU's host waits."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_function__(self, func, types, args=(), kwargs=None):
        copies = not (func.__name__ == "as_tensor" and isinstance(args[0], torch.Tensor))
        if func.__name__ in CALLS and copies and not is_told():
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


class Operations(TorchDispatchMode):
    """Notes such operations, whoever calls them; those by boolean masks among them."""

    def __init__(self, found):
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        masks = [one for one in tree_leaves(args[1:]) if isinstance(one, torch.Tensor)]
        by_mask = name.startswith("index") and any(one.dtype == torch.bool for one in masks)
        if (name in OPERATIONS or by_mask) and not is_told():
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def watch(found, training):
    """A handler that notes all waiting from the second iteration on; it must be the last one."""
    modes = []

    def begin(engine):
        if engine.state.iteration > 1:
            modes.extend([Calls(found), Operations(found)])
            for mode in modes:
                mode.__enter__()

    def end(engine):
        while modes:
            modes.pop().__exit__(None, None, None)

    training.trainer.add_event_handler(Events.ITERATION_STARTED, begin)
    training.trainer.add_event_handler(Events.ITERATION_COMPLETED, end)


SPECTRAL = {
    "features": SpectrogramFeatures(voices.STFT_PARAMS),
    "model_config": builders.build_recurrent_mask_inference(129, 4, 1, True, 0.1, 2, ["sigmoid"]),
    "loss_dictionary": {"PermutationInvariantLoss": {"args": ["L1Loss"]}},
}
END_TO_END = {
    "features": WaveformFeatures(),
    "model_config": builders.build_recurrent_end_to_end(
        64, 64, 16, "sqrt_hann", 4, 1, True, 0.0, 2, ["sigmoid"]
    ),
    "loss_dictionary": {"PermutationInvariantLoss": {"args": ["SISDRLoss"]}},
}
AUTOCLIP = functools.partial(handlers.add_autoclip_gradient_handler, clip_percentile=10)
CLIP = functools.partial(handlers.add_clip_gradient_handler, clip_value=1.0)
INSPECT = functools.partial(handlers.add_inspect_gradient, every=1)


@pytest.fixture
def fit(tmp_path):
    """Function `(*handlers, **settings)` → a Training of three iterations."""
    gin.clear_config()
    corpus = voices.open_corpus(voices.write_corpus(tmp_path, 6, seconds=0.5))
    (tmp_path / "logs").mkdir()

    def make(*attached, **settings):
        return train(
            Run(tmp_path),
            train_data=corpus,
            val_data=corpus,
            optimizer=torch.optim.Adam,
            batch_size=2,
            num_epochs=1,
            excerpt_seconds=0.25,
            handlers=attached,
            num_threads=1,
            **settings,
        )

    return make


@pytest.mark.parametrize("settings", [SPECTRAL, END_TO_END])
def test_no_iteration_waits(fit, settings):
    found = []
    attached = AUTOCLIP, CLIP, INSPECT, handlers.add_ema
    attached += (handlers.add_record_batch_and_loss_info_handler, functools.partial(watch, found))
    training = fit(*attached, **settings, remix=RemixStems(0.5, -3.0, 3.0, seed=0))
    assert training.trainer.state.iteration == 3
    assert found == []


def test_a_handler_that_makes_floats_is_found(fit):
    found = []

    def ask(training):
        training.trainer.add_event_handler(
            Events.ITERATION_COMPLETED, lambda engine: float(engine.state.output["loss"])
        )

    fit(ask, functools.partial(watch, found), **SPECTRAL)
    assert found == ["_local_scalar_dense"] * 2
