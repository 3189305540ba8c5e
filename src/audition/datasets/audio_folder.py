"""Recordings without labels or ground truth."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin

from audition.datasets.corpora import Corpus
from audition.files import files_below

UNLABELLED = "unlabelled"


@gin.register
class AudioFolder(Corpus):
    """Every audio file in a folder and its subfolders, as a mixture without sources.

    For segment_and_separate. An item's label is the name of the folder that its file is in.

    Args:
        folder: where to look.
        ext: suffixes of the files to use.
        settings: nussl's settings, such as sample_rate, num_channels, stft_params.
    """

    unlabelled = True

    def __init__(
        self,
        folder: str | Path,
        ext: Sequence[str] = (".wav", ".flac", ".mp3", ".ogg"),
        **settings: Any,
    ):
        self.ext = list(ext)
        super().__init__(folder, **settings)

    def get_items(self, folder: str) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in files_below(folder, self.ext))

    def item_files(self, item: str) -> list[Path]:
        return [Path(self.folder, item)]

    def process_item(self, item: str) -> dict:
        mix = self._load_audio_file(*self.item_files(item))
        label = Path(item).parent.name or UNLABELLED
        return {"mix": mix, "sources": {}, "metadata": {"label": label}}
