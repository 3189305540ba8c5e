"""Small rendered songs as vocals and accompaniment, in the layout of MixSourceFolder."""

import nussl
import soundfile

from audition.commands.make_toy_music import make_toy_music
from audition.datasets import build_dataset
from audition.datasets.corpora import MixSourceFolder

SAMPLE_RATE = 16000
SOURCES = ("accompaniment", "vocals")
STFT_PARAMS = nussl.STFTParams(512, 128, "sqrt_hann")


def render(root, num_songs, seconds):
    """`<root>/mono/{mix,vocals,accompaniment}/<title>.wav`, 16 kHz mono; returns that folder."""
    songs, mono = root / "songs", root / "mono"
    make_toy_music(None, songs, {"train": num_songs}, seconds, SAMPLE_RATE)
    for folder in sorted((songs / "train").iterdir()):
        stems = {path.stem: soundfile.read(path)[0].mean(axis=1) for path in folder.glob("*.wav")}
        stems["mix"] = stems.pop("mixture")
        stems["accompaniment"] = stems.pop("drums") + stems.pop("bass") + stems.pop("other")
        for name, audio in stems.items():
            (mono / name).mkdir(parents=True, exist_ok=True)
            soundfile.write(mono / name / f"{folder.name}.wav", audio, SAMPLE_RATE, "FLOAT")
    return mono


def open_songs(folder, source_folders=SOURCES, name="test"):
    """Split of what `render` wrote, or of pseudo-sources."""
    dataset = MixSourceFolder(
        str(folder),
        source_folders=list(source_folders),
        sample_rate=SAMPLE_RATE,
        stft_params=STFT_PARAMS,
    )
    return build_dataset(dataset, name)
