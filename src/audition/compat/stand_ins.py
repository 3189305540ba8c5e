"""Stand-ins for torchaudio and for modules that ffmpeg, sox or zarr 2 would bring, where missing.

Each is in `sys.modules` only while the module that needs it is being imported; nobody else sees it.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import shutil
import sys
import types
from collections.abc import Iterator

from audition.errors import ConfigError


@contextlib.contextmanager
def _standing_in(name, module):
    """Makes `import name` give `module`, and restores what was there afterwards."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


def _module(name, **contents):
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    return module


def stempeg() -> contextlib.AbstractContextManager[None]:
    """Without ffmpeg and ffprobe, importing stempeg raises RuntimeError, and so does nussl.

    nussl guards its own `import musdb`, but evaluation/bss_eval.py:2 imports museval, which imports
    musdb, which imports stempeg. The stand-in reads wav files.
    """
    if shutil.which("ffmpeg") and shutil.which("ffprobe"):
        return contextlib.nullcontext()
    from audition.compat import stems

    return _standing_in("stempeg", stems)


def soxbindings() -> contextlib.AbstractContextManager[None]:
    """scaper/core.py:2 and nussl/core/effects.py:29 import soxbindings, or failing that pysox.

    soxbindings needs libsox and a compiler; without the sox program, pysox prints a page of advice
    on import and fails in every scaper.generate(). The stand-in does what every mixture needs.
    """
    if importlib.util.find_spec("soxbindings") or shutil.which("sox"):
        return contextlib.nullcontext()
    from audition.compat.sox import Transformer

    return _standing_in("soxbindings", _module("soxbindings", Transformer=Transformer))


@contextlib.contextmanager
def zarr() -> Iterator[None]:
    """datasets/transforms.py:644-654 need zarr 2: ThreadSynchronizer and arrays of objects.

    zarr 3 has neither, so nussl's Cache says what to use instead. zarr need not even be installed,
    which saves a tenth of the time it takes to import nussl.
    """
    if _installed_version("zarr").startswith("2."):
        yield
        return
    fake_zarr = _module("zarr", open=_no_zarr, ThreadSynchronizer=object)
    fake_numcodecs = _module("numcodecs", Pickle=object)
    with _standing_in("zarr", fake_zarr), _standing_in("numcodecs", fake_numcodecs):
        yield


def _no_zarr(location, **_):
    raise ConfigError(
        f"nussl's Cache, for {location}, needs zarr 2, which doesn't work with today's NumPy: use "
        "the cache command, whose waveforms training reads faster."
    )


def torchaudio() -> contextlib.AbstractContextManager[None]:
    """openunmix and speechbrain import torchaudio to read and resample files, which we do ourselves.

    It is compiled for one version of torch, and there is none for ours. Many of their modules import
    it, so whoever opens one of their models enters this.
    """
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError):  # missing, or made for another torch
        return _standing_in("torchaudio", _module("torchaudio", __version__="2.11.0"))
    return contextlib.nullcontext()


def distributed_optimizers() -> contextlib.AbstractContextManager[None]:
    """ignite/handlers/checkpoint.py:16 imports torch.distributed.optim to recognise one class.

    Nothing is missing here, but that import takes a third of the time of importing nussl: it brings
    in sympy, sharded training and scripted optimizers. Code that uses the class has imported it by
    then.
    """
    if "torch.distributed.optim" in sys.modules:
        return contextlib.nullcontext()
    optim = _module("torch.distributed.optim", ZeroRedundancyOptimizer=_ZeroRedundancyOptimizer)
    return _standing_in("torch.distributed.optim", optim)


class _RecognisedOnceImported(type):
    def __instancecheck__(cls, instance: object) -> bool:
        optim = sys.modules.get("torch.distributed.optim")
        return optim is not None and isinstance(instance, optim.ZeroRedundancyOptimizer)


class _ZeroRedundancyOptimizer(metaclass=_RecognisedOnceImported):
    """For `isinstance` only: true for instances of torch's class of this name."""


def _installed_version(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
