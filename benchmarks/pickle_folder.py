"""What nussl's Cache asks of a zarr array of objects: a folder with one pickle per item.

The other side of the benchmark data_path, where zarr 2 can't be installed.
"""

import os
import pickle
from pathlib import Path


def open_folder(location, mode, shape=None, **_):
    """A PickleFolder at `location`, created if `mode` is "w"; other arguments are zarr's own."""
    folder = PickleFolder(location)
    if mode == "w":
        folder.path.mkdir(parents=True, exist_ok=True)
    return folder


class PickleFolder:
    """Items by index, each in a file written whole or not at all, so that workers can share them.

    Items are renamed into place but not forced to disk one by one. Neither does zarr, and
    benchmarks time this cache as nussl's.
    """

    def __init__(self, location):
        self.path = Path(location)

    def __setitem__(self, index, item):
        file = self._file(index)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL))
        os.replace(temporary, file)

    def __getitem__(self, index):
        file = self._file(index)
        if not file.exists():
            return 0  # zarr's fill value, which Cache turns into its own error
        return pickle.loads(file.read_bytes())

    @property
    def nchunks_initialized(self):
        return sum(1 for _ in self.path.glob("*.pickle"))

    @property
    def info(self):
        return f"{self.path}: {self.nchunks_initialized} items"

    def _file(self, index):
        return self.path / f"{int(index)}.pickle"
