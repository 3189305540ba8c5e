"""Small rendered songs, prepared as MUSDB18 is, and a bootstrap that takes seconds on them."""

from audition.commands.make_toy_music import make_toy_music
from audition.commands.prepare_musdb import prepare_musdb
from audition.runs.folder import Run
from tests import road

SECONDS = 6.0
SAMPLE_RATE = 16000
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
