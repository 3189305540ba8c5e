"""The commands that are disturbed: what each starts from, and what an undisturbed one leaves."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from audition.bootstrap.segments import RESULTS
from audition.files import read_json
from audition.runs.folder import Run
from audition.training import checkpoints
from tests.support import corpora, road

LENGTH = 4000  # samples of a track: half a second, the least whose loudness is known
SMALL = (
    "train.handlers = [@add_lr_scheduler_handler, @add_record_batch_and_loss_info_handler]",
    "train.num_epochs = 2",
    "train.epoch_length = 2",
    "train.batch_size = 2",
    "train.excerpt_frames = 10",
    "build_recurrent_chimera.hidden_size = 3",
    "build_recurrent_chimera.num_layers = 1",
    "build_recurrent_chimera.dropout = 0.0",
    "evaluate.save_audio = True",
    "debug.num_iterations = 2",
    "debug.item = 0",
)
SEGMENTS = """
segment_and_separate.data = @train/build_dataset()
segment_and_separate.separator = @nussl.separation.primitive.HPSS()
segment_and_separate.folder = '{folder}/segments'
segment_and_separate.window_seconds = 0.45
segment_and_separate.hop_seconds = 0.05
segment_and_separate.quietest_lufs = -200.0
segment_and_separate.measures = ('silhouette',)
plot_calibration.segments = '{folder}/segments'
construct_symlink_folder.segments = '{folder}/segments'
construct_symlink_folder.destination = '{folder}/chosen'
construct_symlink_folder.rules = [@PercentilesBetween()]
PercentilesBetween.column = 'silhouette'
PercentilesBetween.perc_min = 50
PercentilesBetween.perc_max = 100
"""
ROUNDS = """
bootstrap.rounds = [{'train.num_epochs': 1}]
bootstrap.score = 'SI-SDRi'
in_run.path = 'chosen'
segment_and_separate.data = @segments/build_dataset()
segments/build_dataset.dataset = @train/WHAM()
segments/build_dataset.name = 'segments'
train/build_dataset.dataset = @train/MixSourceFolder()
train/MixSourceFolder.folder = @in_run()
train/MixSourceFolder.source_folders = ['s0', 's1']
train/MixSourceFolder.sample_rate = 8000
train/MixSourceFolder.num_channels = 1
train/MixSourceFolder.stft_params = @STFTParams()
train/build_dataset.cache_root = None
train.val_data = None
cache.datasets = None
train.features = @SpectrogramFeatures()
"""


@dataclass(frozen=True)
class Road:
    """One command, disturbed.

    Attributes:
        name: of the command, for the table.
        words: function of the folder → words of its command line.
        before: names of the roads whose commands have run before.
        outcome: function of the folder → what must come out in the end, comparable by ==.
        again: function of the folder → the words that mend it; None: the same command.
        prints: whether all that comes out is what it prints.
    """

    name: str
    words: Callable[[Path], list]
    before: tuple[str, ...] = ()
    outcome: Callable[[Path], object] = field(default=None)
    again: Callable[[Path], list] | None = None
    prints: bool = False


def only_run(folder):
    return Run(next(iter(sorted((folder / "out").glob("run0*")))))


def config(folder):
    return only_run(folder).config


def instantiate_words(folder):
    paths = [f"WHAM_ROOT = '{folder / 'wham'}'", f"CACHE_ROOT = '{folder / 'cache'}'"]
    out = f"instantiate.output_folder = '{folder / 'out'}'"
    sweep = "sweep.parameters = {'train.seed': [0, 1]}"
    (folder / "segments.gin").write_text(SEGMENTS.format(folder=folder))
    recipe = [*road.RECIPE, str(folder / "segments.gin")]
    return road.arguments("instantiate", *recipe, *paths, out, sweep, *SMALL)


def rounds_words(folder):
    text = SEGMENTS.format(folder=folder) + ROUNDS
    (folder / "rounds.gin").write_text(text)
    recipe = [*road.RECIPE, str(folder / "rounds.gin")]
    paths = [f"WHAM_ROOT = '{folder / 'wham'}'", f"CACHE_ROOT = '{folder / 'cache'}'"]
    out = f"instantiate.output_folder = '{folder / 'rounds'}'"
    return road.arguments("instantiate", *recipe, paths[0], paths[1], out, *SMALL)


def bootstrap_words(folder):
    return road.arguments("bootstrap", folder / "rounds" / "run0" / "config.gin")


def on_run(command, *words):
    return lambda folder: road.arguments(command, config(folder), *words)


def train_again(folder):
    """`resume` as a person would, which is train where nothing was written yet."""
    return road.arguments("resume", config(folder))


def compared_words(folder):
    bindings = [f"compare.folder = '{folder / 'compared'}'"]
    return road.arguments("compare", config(folder), *bindings)


# what must come out ----------------------------------------------------------------------------


def text_of(path):
    return path.read_text() if path.is_file() else None


def plain_config(path):
    return path.read_text().replace(str(path.parents[2]), "FOLDER")


def sweep_outcome(folder):
    """Each config as often as any other, once or, killed after all was done, twice."""
    texts = [plain_config(path) for path in sorted((folder / "out").glob("run*/config.gin"))]
    times = {texts.count(text) for text in texts}
    unfinished = [p for p in (folder / "out").glob("run*") if not (p / "config.gin").is_file()]
    return sorted(set(texts)), len(times) == 1, unfinished == [], text_of(folder / "out/run.sh")


def cache_outcome(folder):
    paths = sorted(path for path in (folder / "cache").glob("*/*") if path.suffix == ".bin")
    return [(path.name, path.read_bytes()) for path in paths]


def training_outcome(folder):
    run = only_run(folder)
    content = checkpoints.read(run.latest)
    return {key: plain(content[key]) for key in content if key not in ("rng", "kept")}


def plain(thing):
    """Tensors as lists, so that == compares them."""
    if isinstance(thing, dict):
        return {key: plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [plain(value) for value in thing]
    return thing.tolist() if hasattr(thing, "tolist") else thing


def results_outcome(folder):
    found = {path.name: read_json(path) for path in sorted(folder.glob("*.json"))}
    for one in found.values():
        one["metadata"].pop("files", None)
    return repr(found)  # in which NaN equals NaN


def audio_outcome(folder):
    return {
        path.relative_to(folder).as_posix(): soundfile.read(path)[0].tobytes()
        for path in sorted(folder.rglob("*.wav"))
    }


def evaluation_outcome(folder):
    run = only_run(folder)
    card = text_of(run.report_card_csv)
    return results_outcome(run.results), audio_outcome(run.audio), card


def analysis_outcome(folder):
    run = only_run(folder)
    card = re.sub(r"(?m)^\| (COST|TIME).*$", "", text_of(run.report_card_txt))
    return card, text_of(run.report_card_csv), run.box_plots.is_file(), run.input_sdr.is_file()


def segments_outcome(folder):
    return results_outcome(folder / "segments" / RESULTS), audio_outcome(folder / "segments")


def chosen_outcome(folder):
    chosen = folder / "chosen"
    links = {p.relative_to(chosen).as_posix(): p.resolve().is_file() for p in chosen.rglob("*.wav")}
    return links, read_json(chosen / "selection.json")


def compared_outcome(folder):
    return {path.name: path.read_text() for path in sorted((folder / "compared").glob("c*.*"))}


def rounds_outcome(folder):
    texts = [plain_config(path) for path in sorted((folder / "rounds").glob("run*/config.gin"))]
    return len(set(texts)), text_of(folder / "rounds/run.sh")


def bootstrap_outcome(folder):
    run = Run(folder / "rounds" / "run0")
    rounds = [run.round(0), run.round(1)]
    results = [results_outcome(one.results) for one in rounds]
    tables = [text_of(path) for path in (run.rounds_csv, run.quintiles_csv, run.bootstrap_txt)]
    content = checkpoints.read(rounds[1].latest)
    return results, tables, results_outcome(rounds[1].segments / RESULTS), plain(content["model"])


def page_outcome(folder):
    """The page without its date."""
    return [re.sub(r"on \d{4}-\d\d-\d\d", "", text_of(only_run(folder).listening_page))]


def printed_outcome(folder):
    """The lines of the runs that this process has printed so far."""
    sys.stdout.flush()
    printed = text_of(folder.with_name("printed")) or ""
    return [line for line in printed.splitlines() if line.startswith("run")]


def calibration_outcome(folder):
    pictures = [(folder / "segments" / f"calibration.{kind}").is_file() for kind in ("png", "pdf")]
    return read_json(folder / "segments/calibration.json"), pictures


def debug_outcome(folder):
    (one,) = (Run(path) for path in only_run(folder).debug.iterdir())
    return results_outcome(one.results), audio_outcome(one.audio), text_of(one.report_card_csv)


EVALUATED = ("instantiate", "train", "evaluate")
ROADS = [
    Road("instantiate", instantiate_words, (), sweep_outcome),
    Road("cache", on_run("cache"), ("instantiate",), cache_outcome),
    Road("train", on_run("train"), ("instantiate",), training_outcome, train_again),
    Road("resume", on_run("resume"), ("instantiate", "train"), training_outcome),
    Road("evaluate", on_run("evaluate"), ("instantiate", "train"), evaluation_outcome),
    Road("analyze", on_run("analyze"), EVALUATED, analysis_outcome),
    Road("compare", compared_words, EVALUATED, compared_outcome),
    Road("listening_page", on_run("listening_page"), EVALUATED, page_outcome),
    Road(
        "sweep_status",
        on_run("sweep_status"),
        EVALUATED,
        printed_outcome,
        prints=True,
    ),
    Road("debug", on_run("debug"), ("instantiate",), debug_outcome),
    Road(
        "segment_and_separate", on_run("segment_and_separate"), ("instantiate",), segments_outcome
    ),
    Road(
        "construct_symlink_folder",
        on_run("construct_symlink_folder"),
        ("instantiate", "segment_and_separate"),
        chosen_outcome,
    ),
    Road(
        "plot_calibration",
        on_run("plot_calibration"),
        ("instantiate", "segment_and_separate"),
        calibration_outcome,
    ),
    Road("instantiate rounds", rounds_words, (), rounds_outcome),
    Road("bootstrap", bootstrap_words, ("instantiate rounds",), bootstrap_outcome),
]


def write_corpus(root):
    for split, seed in (("tr", 0), ("cv", 1), ("tt", 2)):
        corpora.write_wham(root, (LENGTH, LENGTH + 500), split, seed=seed)
