"""Imported when Python starts, wherever audition is installed: lets `import nussl` work by itself.

nussl 1.1.9 needs the patches of `audition.compat` with today's NumPy, SciPy and torch.
"""

import sys


class AuditionBeforeNussl:
    """A finder that imports audition when nussl is about to be imported, and finds nothing itself."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "nussl":
            return None
        import importlib.util  # here: Python starts without it

        sys.meta_path.remove(self)
        if importlib.util.find_spec("audition"):
            importlib.import_module("audition")
        return importlib.util.find_spec(fullname)


sys.meta_path.insert(0, AuditionBeforeNussl())
