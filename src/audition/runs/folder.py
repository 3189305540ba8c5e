"""One run folder: its number, its name, its paths."""

import datetime
import functools
import itertools
import logging
import re
import socket
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from audition.configs.points import COMPILED
from audition.errors import ConfigError
from audition.files import read_json
from audition.identity import file_sha256

log = logging.getLogger(__name__)
PACKAGES = ("gin-config", "torch", "nussl", "pytorch-ignite", "numpy", "scipy", "museval")
REPOSITORY = Path(__file__).resolve().parents[3]


def inside(name: str) -> property:
    """The path of what is called `name` in a run folder."""
    return property(lambda run: run.folder / name)


@dataclass(frozen=True)
class Run:
    """The folder that holds `config.gin`; it may be moved, nothing stores its absolute path.

    All names in it are spelled here and nowhere else.
    """

    folder: Path

    config = inside("config.gin")  # all bindings
    record = inside("run.json")  # how the run came to be
    status = inside("status.json")  # of its last command
    status_lock = inside(".status.lock")
    costs = inside("cost.json")  # time and memory of training and evaluation
    progress = inside("progress.json")  # of the training: what sweep_status tells
    logs = inside("logs")  # text, and TensorBoard's files
    hparams = inside("logs/hparams")
    item_losses = inside("logs/item_losses.csv")

    checkpoints = inside("checkpoints")
    latest = inside("checkpoints/latest.pth")  # all that a restart needs
    latest_model = inside("checkpoints/latest.model.pth")
    best_model = inside("checkpoints/best.model.pth")

    results = inside("results")  # a file per track
    evaluation = inside("evaluation.json")  # what the results are results of
    audio = inside("audio")  # estimates that evaluate kept
    report_card_txt = inside("report_card.txt")
    report_card_csv = inside("report_card.csv")
    box_plots = inside("box_plots.png")
    input_sdr = inside("input_sdr.png")
    listening_page = inside("listening_page.html")
    debug = inside("debug")  # run folders of the command debug

    # a bootstrap, whose rounds are runs
    bootstrap_txt = inside("bootstrap.txt")
    rounds_csv = inside("rounds.csv")
    quintiles_csv = inside("quintiles.csv")
    # a round
    segments = inside("segments")
    chosen = inside("chosen")  # links to segments
    round_record = inside("round.json")  # once all its steps are done

    def operative(self, command: str) -> Path:
        return self.folder / f"operative.{command}.gin"

    def epoch_model(self, epoch: int) -> Path:
        return self.checkpoints / f"epoch{epoch}.model.pth"

    def round(self, number: int) -> "Run":
        return Run(self.folder / f"round{number}")

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def experiment(self) -> str:
        return self.folder.resolve().parent.name

    @property
    def label(self) -> str:
        """What queues and trackers call it: `<experiment>/<run>`."""
        return f"{self.experiment}/{self.name}"


def find_run(config_paths):
    """The Run whose compiled `config.gin` is among `config_paths` (the last one), else None."""
    for path in reversed([Path(path) for path in config_paths]):
        run = Run(path.parent)
        if path == run.config and (run.record.is_file() or is_compiled(path)):
            return run
    return None


def is_compiled(path: Path) -> bool:
    """Whether instantiate wrote this config.gin, which then is a run by itself, wherever it lies."""
    if not path.is_file():
        return False
    with path.open(errors="replace") as file:
        return any(line.startswith(COMPILED) for line in itertools.islice(file, 2))


def find_runs(config_paths):
    """The Runs whose compiled `config.gin` is among `config_paths`, each once, in their order."""
    found = {}
    for run in (find_run([path]) for path in config_paths):
        if run is not None:
            found.setdefault(run.folder.resolve(), run)
    return list(found.values())


def compiled_configs(paths):
    """The .gin files of `paths`, where a run folder stands for its `config.gin` and an out folder
    for those of its runs, by number, or of the runs in it that have names."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
        elif Run(path).config.is_file():
            yield Run(path).config
        else:
            configs = [Run(folder).config for folder in numbered(path) or sorted(path.iterdir())]
            yield from filter(Path.is_file, configs)


def own_paths(run, config_paths):
    """`config_paths` in their order, without those of other runs; a bootstrap's stands for its round."""
    own = []
    for path in config_paths:
        if not find_run([path]):
            own.append(path)
        elif run.folder.resolve().is_relative_to(Path(path).parent.resolve()):
            own.append(run.config)
    return own


def numbered(folder):
    """The runs of an out folder, or the rounds of a bootstrap's run, by number."""
    found = [path for name in ("run", "round") for path in folder.glob(f"{name}[0-9]*")]
    return sorted(filter(Path.is_dir, found), key=lambda path: int(re.search(r"\d+", path.name)[0]))


def runs_in(folder):
    """The runs in a folder, a bootstrap's rounds in its place; the folder itself where it is a run."""
    return [run for path in numbered(folder) for run in runs_in(path)] or [folder]


def with_results(folders):
    """The Runs of those of the `folders` that evaluate wrote to, each once; the others are told."""
    found = {path.resolve(): path for path in folders}
    for path in found.values():
        if not has_results(path):
            log.warning("%s has no results: it is left out", path)
    return [Run(path) for path in found.values() if has_results(path)]


def has_results(folder):
    return any(Run(folder).results.glob("*.json"))


def require(run, command, paths):
    """Tells a beginner which step comes first, and whoever gives two runs at once to give one."""
    if len([path for path in paths if find_run([path])]) > 1:
        raise ConfigError(f"{command} works on one run at a time; give one config.gin after -c.")
    if run is None:
        raise ConfigError(
            f"{command} works in a run folder, and none of the files after -c is the config.gin of "
            "one: run instantiate first, then give it that config.gin."
        )


def run_number(folder):
    """N of a folder `run<N>` or `run<N>:<label>`; -1 for any other name."""
    match = re.match(r"run(\d+)(:|$)", Path(folder).name)
    return int(match.group(1)) if match else -1


def next_number(out_folder):
    """Highest existing `run<N>` + 1; other files in the folder do not count."""
    folders = (path for path in Path(out_folder).glob("run*") if path.is_dir())
    return max(map(run_number, folders), default=-1) + 1


def make_run(out_folder, label):
    """Makes the next run folder, `run<N>:<label>` or `run<N>`, that no other process can also get.

    The number itself is claimed by an exclusive mkdir, so that two runs with different labels
    never share one.
    """
    out_folder = Path(out_folder)
    out_folder.mkdir(parents=True, exist_ok=True)
    number = next_number(out_folder)
    while True:
        claim = out_folder / f".run{number}"
        try:
            claim.mkdir()
        except FileExistsError:
            number += 1
            continue
        if next_number(out_folder) <= number:
            break
        claim.rmdir()
        number = next_number(out_folder)
    folder = out_folder / (f"run{number}:{label}" if label else f"run{number}")
    claim.rename(folder)
    return Run(folder)


def describe(sweep_point, config_paths, command):
    """What `run.json` says of how a run came to be.

    Args:
        sweep_point: dict, swept binding → value.
        config_paths: the .gin files it was compiled from.
        command: list of str, the command line.
    """
    return {
        "sweep_point": sweep_point,
        "sources": {str(path): file_sha256(path) for path in config_paths},
        "command": command,
        "git": git_state(),
        "packages": {name: installed_version(name) for name in PACKAGES},
        "host": socket.gethostname(),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def sweep_point(run):
    """dict, swept binding → value; empty where nothing was swept, and in a folder without record."""
    return read_json(run.record)["sweep_point"] or {} if run.record.is_file() else {}


@functools.cache
def installed_version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def git_state():
    """`{"commit": …, "dirty": …}` of this code, or None where it is not a git checkout."""
    commit = git("rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(git("status", "--porcelain"))} if commit else None


def git(*arguments):
    try:
        answer = subprocess.run(
            ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
