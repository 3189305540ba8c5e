"""Names and defaults that have moved in NumPy, SciPy, librosa and torch since nussl was written.

Line numbers are those of nussl 1.1.9 and scaper 1.6.5.
"""

import contextlib
import math
import types
import warnings
from collections.abc import Iterator

import numpy as np

from audition.compat.hook import SeenThrough


@contextlib.contextmanager
def no_deprecation_warnings() -> Iterator[None]:
    """Importing nussl warns about its own old habits, which users of this project cannot fix.

    ml/train/trainer.py:9 imports ignite.contrib, separation/primitive/ft2d.py:2 imports
    scipy.ndimage.filters, and several docstrings hold invalid escapes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        yield


@contextlib.contextmanager
def scipy_window_names() -> Iterator[None]:
    """core/constants.py:27,29,30 read windows from scipy.signal, which SciPy 1.13 dropped."""
    import scipy.signal
    import scipy.signal.windows as windows

    missing = [n for n in ("hamming", "hann", "blackman") if not hasattr(scipy.signal, n)]
    for name in missing:
        setattr(scipy.signal, name, getattr(windows, name))
    try:
        yield
    finally:
        for name in missing:
            delattr(scipy.signal, name)


def librosa_keywords_of_signals(audio_signal: types.ModuleType) -> None:
    """core/audio_signal.py:1434,1491 pass `rms` and `resample` arguments by position.

    Since 0.10 librosa only takes them by keyword. Since 0.9 it also pads `rms` with zeros, which
    makes the first and last frames quieter; nussl was written for reflected edges.
    """
    librosa = audio_signal.librosa

    def rms(samples, pad_mode="reflect", **keywords):
        return librosa.feature.rms(y=samples, pad_mode=pad_mode, **keywords)

    def resample(samples, old_rate, new_rate, **keywords):
        return librosa.resample(y=samples, orig_sr=old_rate, target_sr=new_rate, **keywords)

    audio_signal.librosa = SeenThrough(
        librosa, feature=types.SimpleNamespace(rms=rms), resample=resample
    )


def librosa_keywords_of_mel(blocks: types.ModuleType) -> None:
    """ml/networks/modules/blocks.py:270 also passes the arguments of `mel` by position."""
    librosa = blocks.librosa

    def mel(sample_rate, window_length, num_mels):
        return librosa.filters.mel(sr=sample_rate, n_fft=window_length, n_mels=num_mels)

    blocks.librosa = SeenThrough(librosa, filters=types.SimpleNamespace(mel=mel))


def hanning_window(audio_signal: types.ModuleType) -> None:
    """'hanning', OverlapAdd's default (separation/composite/overlap_add.py:7), is SciPy's 'hann'.

    core/audio_signal.py:943 passes the name on to scipy.signal.get_window, which rejects it.
    """
    get_window = audio_signal.AudioSignal.get_window

    def get_window_by_either_name(window_type, window_length):
        return get_window("hann" if window_type == "hanning" else window_type, window_length)

    audio_signal.AudioSignal.get_window = staticmethod(get_window_by_either_name)


def numpy_mat(duet: types.ModuleType) -> None:
    """separation/spatial/duet.py:227,364 use np.mat, which NumPy 2 removed."""
    if not hasattr(np, "mat"):
        duet.np = SeenThrough(np, mat=np.asmatrix)


def numpy_inf(scaper_core: types.ModuleType) -> None:
    """scaper/core.py:1489,1512,1562,1598 use np.Inf, which NumPy 2 removed; every event does."""
    if not hasattr(np, "Inf"):
        scaper_core.np = SeenThrough(np, Inf=np.inf)


def numpy_float_and_math(multiphase_gammatone_fb: types.ModuleType) -> None:
    """asteroid-filterbanks 0.4.0 reads np.float and np.math, which NumPy 1.24 and 2 removed."""
    multiphase_gammatone_fb.np = SeenThrough(np, float=float, math=math)


def scores_in_double_precision(bss_eval: types.ModuleType) -> None:
    """evaluation/bss_eval.py:166 scores in the precision of the audio: float32 if read from files.

    Under NumPy 2 the scores are then np.float32, which `json` cannot write, and sums over millions
    of squared samples lose digits.
    """
    base = bss_eval.BSSEvaluationBase
    stack = base.preprocess

    def preprocess(self):
        references, estimates = stack(self)
        return references.astype(np.float64), estimates.astype(np.float64)

    base.preprocess = preprocess


def data_from_model_files(migration: types.ModuleType) -> None:
    """core/migration.py:81 calls torch.load, which unpickles; a model file is read as data instead."""
    torch = migration.torch

    def load(file, **_):
        from audition.weights import read_for_nussl

        return read_for_nussl(file)

    migration.torch = SeenThrough(torch, load=load)


def networks_from_model_files(separation_model: types.ModuleType) -> None:
    """networks/separation_model.py:224 builds whatever a file describes, however large."""

    def load(location):
        from audition import weights

        return weights.load(location)

    separation_model.SeparationModel.load = staticmethod(load)


def plain_sizes_of_dccrn(recurrent: types.ModuleType) -> None:
    """asteroid/masknn/recurrent.py:594 gets a size that NumPy computed, which torch's LSTM refuses."""
    layer = recurrent.DCCRMaskNetRNN
    init = layer.__init__

    def with_plain_size(self, in_size, *args, **kwargs):
        init(self, int(in_size), *args, **kwargs)

    layer.__init__ = with_plain_size
