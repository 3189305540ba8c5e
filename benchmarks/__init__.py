"""Each prints `RATIO <name> <value> (bar <bar>)`, measuring both sides in one run: `make bench`."""

import audition  # noqa: F401  patches nussl before a benchmark imports it
