"""Says so if this Python is not one with which requirements.txt was tried; the Makefile asks first.

Every Python can run this file, old ones, too.
"""

import sys

GOOD = ("3.11", "3.12", "3.13")
this = ".".join(map(str, sys.version_info[:2]))
if this not in GOOD:
    sys.exit(
        sys.executable
        + " is Python "
        + this
        + ", and the pinned packages are known to work with "
        + ", ".join(GOOD)
        + ": name one of these, such as `make PYTHON=python3.11 demo`, and remove .venv if it "
        + "was made with another."
    )
