"""Recordings of which nothing is known but what they sound like."""

from pathlib import Path

import gin
from nussl.datasets import BaseDataset

from audition.datasets.corpora import ReadsBySoundfile, require_folders
from audition.files import files_below

UNLABELLED = "unlabelled"


@gin.register
class AudioFolder(ReadsBySoundfile, BaseDataset):
    """Every audio file in a folder and its subfolders, as a mixture without sources.

    For segment_and_separate. An item's label is the name of the folder that its file lies in.

    Args:
        folder: Path.
        ext: list of suffixes.
        settings: nussl's, such as sample_rate, num_channels, stft_params.
    """

    unlabelled = True

    def __init__(self, folder, ext=(".wav", ".flac", ".mp3", ".ogg"), **settings):
        self.ext = list(ext)
        require_folders("AudioFolder.folder", folder)
        super().__init__(str(folder), **settings)

    def get_items(self, folder):
        return sorted(str(path.relative_to(folder)) for path in files_below(folder, self.ext))

    def process_item(self, item):
        mix = self._load_audio_file(str(self.mix_path(item)))
        label = Path(item).parent.name or UNLABELLED
        return {"mix": mix, "sources": {}, "metadata": {"label": label}}

    def mix_path(self, item):
        return Path(self.folder, item)
