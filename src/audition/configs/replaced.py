"""What to use in place of the names of nussl that mean nothing here."""

IN_PLACE_OF = {
    "nussl.evaluation.BSSEvalScale": "bind evaluate.metrics = [@BSSEvalScale()]",
    "nussl.evaluation.BSSEvalV4": "bind evaluate.metrics = [@BSSEvalV4()]",
    "nussl.evaluation.PrecisionRecallFScore": "bind evaluate.metrics = [@PrecisionRecallFScore()]",
    "nussl.evaluation.report_card": "run main.py analyze",
    "nussl.ml.train.closures.Closure": "bind train.loss_dictionary",
    "nussl.ml.train.closures.TrainClosure": "bind train.loss_dictionary; train makes the steps",
    "nussl.ml.train.closures.ValidationClosure": "bind train.val_loss_dictionary",
    "nussl.datasets.transforms.Cache": "run main.py cache",
}


def instead_of(name: str) -> str | None:
    """What to do instead of naming `name`, in full or by its last parts; None if unknown."""
    for full, remedy in IN_PLACE_OF.items():
        if f".{full}".endswith(f".{name}"):
            return remedy
    return None
