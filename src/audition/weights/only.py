"""Other toolkits' pickles as data: tensors and plain values, and no more than a few named classes."""

import contextlib
import os
import pickle
import re
from collections.abc import Iterator

import torch

from audition.errors import ConfigError

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@contextlib.contextmanager
def only_weights(path: str, *allowed: type) -> Iterator[None]:
    """Whatever calls `torch.load` within, with whatever arguments, reads data and runs nothing.

    Args:
        path: of the file or the model, for the message.
        allowed: classes that the file may name.

    Raises:
        ConfigError: a file names something else.
    """
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        with torch.serialization.safe_globals(list(allowed)):
            yield
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise ConfigError(
            f"{path} is no file of weights only{f', it names {named[1]:.80}' if named else ''}, so it "
            "was not opened: it could do anything; ask whoever made it for the weights alone."
        ) from None  # torch's own text advises to open it all the same
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before
