"""Small rendered songs, prepared as MUSDB18 is."""

from src.commands.make_toy_music import make_toy_music
from src.commands.prepare_musdb import prepare_musdb

SECONDS = 6.0
SAMPLE_RATE = 16000


def render(root):
    """`<root>/songs/{train,test}/<title>/*.wav`, 44.1 kHz stereo: four songs and one."""
    make_toy_music(None, root=root / "songs", num_songs={"train": 4, "test": 1}, seconds=SECONDS)
    return root / "songs"


def prepare(songs, destination, **settings):
    """`<destination>/{train,valid,test}/<stem>/<title>.wav`; song 4 is for validation."""
    settings = {"sample_rate": SAMPLE_RATE, "num_channels": 1, **settings}
    patterns = settings.pop("validation_titles", ["* 4"])
    prepare_musdb(None, songs, destination, validation_titles=patterns, **settings)
    return destination
