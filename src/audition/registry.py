"""The table of everything a .gin file may name: nussl's and torch's classes, and our nouns.

nussl's separators are registered as recipes that need no signal,
`@nussl.separation.primitive.HPSS()`; `audition.separators` lists them. Its datasets are subclassed
in `audition.datasets.corpora`.

Importing this module is cheap. `register()` imports nussl and torch; main.py calls it once it has
read the command line, so that `--help` stays fast.
"""

import functools
import importlib

import gin

EXTERNAL = {
    "nussl": ("AudioSignal", "STFTParams"),
    "nussl.ml": ("SeparationModel",),
    "nussl.ml.networks.builders": (
        "build_dual_path_recurrent_end_to_end",
        "build_open_unmix_like",
        "build_recurrent_chimera",
        "build_recurrent_dpcl",
        "build_recurrent_end_to_end",
        "build_recurrent_mask_inference",
    ),
    "nussl.datasets.transforms": (
        "Compose",
        "GetAudio",
        "GetExcerpt",
        "IndexSources",
        "LabelsToOneHot",
        "MagnitudeSpectrumApproximation",
        "MagnitudeWeights",
        "PhaseSensitiveSpectrumApproximation",
        "SumSources",
        "ToSeparationModel",
    ),
    "torch.optim": (
        *("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon"),
        *("NAdam", "RAdam", "RMSprop", "Rprop", "SGD", "SparseAdam"),
    ),
    "torch.optim.lr_scheduler": (
        "ConstantLR",
        "CosineAnnealingLR",
        "CosineAnnealingWarmRestarts",
        "CyclicLR",
        "ExponentialLR",
        "LambdaLR",
        "LinearLR",
        "MultiStepLR",
        "MultiplicativeLR",
        "OneCycleLR",
        "PolynomialLR",
        "ReduceLROnPlateau",
        "StepLR",
    ),
}
NOUNS = (
    "audition.bootstrap",
    "audition.configs.paths",
    "audition.datasets",
    "audition.features",
    "audition.handlers",
    "audition.losses",
    "audition.metrics",
    "audition.mixing",
    "audition.models",
    "audition.separators",
)


@functools.cache
def register() -> None:
    """Registers every name in the tables, every noun and every command with gin, once."""
    from audition.commands import COMMANDS, module_name

    for module_path, names in EXTERNAL.items():
        module = importlib.import_module(module_path)
        for name in names:
            gin.external_configurable(getattr(module, name), module=module_path)
    for module_path in NOUNS:
        importlib.import_module(module_path)
    for dotted_name, recipe in (
        importlib.import_module("audition.separators").nussl_recipes().items()
    ):
        module_path, name = dotted_name.rsplit(".", 1)
        gin.external_configurable(recipe, name=name, module=module_path)
    for command in COMMANDS:
        importlib.import_module(module_name(command))
