"""What nussl 1.1.9, scaper 1.6.5 and asteroid 0.7.0 need from today's NumPy, SciPy, librosa, torch and zarr.

`install()` only registers an import hook; the patches run when the module they concern is imported,
whoever imports it: a command, a test, or a spawned worker that unpickles a nussl object (it imports
`audition` to find its task). Patches stay inside those packages: they replace a name or a method
of *their* modules and leave NumPy, SciPy, librosa and torch as they are.

    versions.py      names and defaults that have moved since nussl was written
    corrections.py   results that nussl computes wrongly on any stack
    faster.py        results that nussl computes rightly, but slowly
    stand_ins.py     what is missing without ffmpeg, sox and zarr 2, or slow to import for nothing

To add a patch, write one small function in the file it belongs to and name it in a table below.
"""

import sys

from audition.compat.hook import ImportHook

# Module -> context managers entered while it is imported.
AROUND = {
    "ignite.handlers.checkpoint": ("stand_ins.distributed_optimizers",),
    "musdb": ("stand_ins.stempeg",),
    "nussl": ("versions.no_deprecation_warnings",),
    "nussl.core.constants": ("versions.scipy_window_names",),
    "nussl.core.effects": ("stand_ins.soxbindings",),
    "nussl.datasets.transforms": ("stand_ins.zarr",),
    "scaper": ("versions.no_deprecation_warnings",),
    "scaper.core": ("stand_ins.soxbindings",),
}

# Module -> functions called with it once it is imported.
AFTER = {
    "asteroid.masknn.recurrent": ("versions.plain_sizes_of_dccrn",),
    "asteroid_filterbanks.multiphase_gammatone_fb": ("versions.numpy_float_and_math",),
    "nussl.core.audio_signal": (
        "versions.librosa_keywords_of_signals",
        "versions.hanning_window",
        "corrections.clip_written_audio",
    ),
    "nussl.core.migration": ("versions.data_from_model_files", "corrections.keep_own_metadata"),
    "nussl.datasets.transforms": ("corrections.keep_dataset_labels",),
    "nussl.evaluation.bss_eval": ("versions.scores_in_double_precision",),
    "nussl.ml.confidence": ("corrections.nearest_cluster_confidence",),
    "nussl.ml.networks.modules.blocks": ("versions.librosa_keywords_of_mel",),
    "nussl.ml.networks.modules.filter_bank": ("faster.fourier_transform",),
    "nussl.ml.networks.separation_model": ("versions.networks_from_model_files",),
    "nussl.separation.spatial.duet": ("versions.numpy_mat",),
    "scaper.core": ("versions.numpy_inf",),
}


def install() -> None:
    """Patches the packages when they are imported; a second call changes nothing."""
    if not any(isinstance(finder, ImportHook) for finder in sys.meta_path):
        sys.meta_path.insert(0, ImportHook(AROUND, AFTER))
