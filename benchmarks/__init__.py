"""Each prints `RATIO <name> <value> (bar <bar>)`, both sides measured in the same run: `make bench`."""

import audition  # noqa: F401  patches nussl before a benchmark imports it
