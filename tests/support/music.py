"""Small rendered songs: as vocals and accompaniment, prepared as MUSDB18 is, and a bootstrap on them."""

import nussl
import soundfile

from audition.commands.make_toy_music import make_toy_music
from audition.commands.prepare_musdb import prepare_musdb
from audition.datasets import build_dataset
from audition.datasets.corpora import MixSourceFolder
from audition.runs.folder import Run
from tests.support import road

SAMPLE_RATE = 16000
SOURCES = ("accompaniment", "vocals")
SECONDS = 6.0
BOOTSTRAP = ["toy/env.gin", "musdb/musdb.gin", "toy/exp/music/bootstrap.gin"]
SMALL = [
    "build_recurrent_mask_inference.hidden_size = 8",
    "build_recurrent_mask_inference.num_layers = 1",
    "train.batch_size = 2",
    "train.excerpt_seconds = 1.0",
    "train.epoch_length = 3",
    "train.num_epochs = 2",
    "torch.optim.lr_scheduler.MultiStepLR.milestones = [1]",
    "segment_and_separate.window_seconds = 3.0",
    "segment_and_separate.hop_seconds = 1.5",
    "segment_and_separate.num_workers = 0",
]
STFT_PARAMS = nussl.STFTParams(512, 128, "sqrt_hann")


def render_mono(root, num_songs, seconds):
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
    """Split of what `render_mono` wrote, or of pseudo-sources."""
    dataset = MixSourceFolder(
        str(folder),
        source_folders=list(source_folders),
        sample_rate=SAMPLE_RATE,
        stft_params=STFT_PARAMS,
    )
    return build_dataset(dataset, name)


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


def compile_bootstrap(prepared, out, *bindings, recipe=BOOTSTRAP):
    """The Run of a small bootstrap on prepared songs, in the folder `out`."""
    folder, paths = f"instantiate.output_folder = '{out}'", f"MUSDB_PREPARED = '{prepared}'"
    road.call("instantiate", *recipe, paths, *SMALL, folder, *bindings)
    return Run(out / "run0")
