"""Importing src first patches nussl, so that a test file may import nussl wherever ruff sorts it."""

import src  # noqa: F401
