"""One run folder: its number, its name, its paths."""

import datetime
import functools
import itertools
import logging
import re
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from audition.configs.points import COMPILED
from audition.errors import ConfigError
from audition.files import read_json
from audition.identity import file_sha256

log = logging.getLogger(__name__)
PACKAGES = ("gin-config", "torch", "nussl", "pytorch-ignite", "numpy", "scipy", "museval")
REPOSITORY = Path(__file__).resolve().parents[3]


def inside(name: str) -> property:
    """The path of `name` in a run folder."""
    return property(lambda run: run.folder / name)


@dataclass(frozen=True)
class Run:
    """The folder that holds `config.gin`; it may be moved, as nothing stores its absolute path.

    The names of its files are spelled here and nowhere else.
    """

    folder: Path

    config = inside("config.gin")  # all bindings
    record = inside("run.json")  # how the run came to be
    mark = inside(".sweep")  # names the hidden folder of a sweep that is still being made
    status = inside("status.json")  # of its last command
    costs = inside("cost.json")  # time and memory of training and evaluation
    progress = inside("progress.json")  # of the training, for sweep_status
    trackers = inside("trackers.json")  # where MLflow and others have the last training
    logs = inside("logs")  # text, and TensorBoard's files
    hparams = inside("logs/hparams")
    item_losses = inside("logs/item_losses.csv")
    trace = inside("logs/trace.json.gz")  # of a profiled training

    checkpoints = inside("checkpoints")
    latest = inside("checkpoints/latest.pth")  # everything a restart needs
    previous = inside("checkpoints/previous.pth")  # the one before, should the latest be damaged
    latest_model = inside("checkpoints/latest.model.pth")
    best_model = inside("checkpoints/best.model.pth")
    average_model = inside("checkpoints/average.model.pth")  # of those in the next
    best_epochs = inside("checkpoints/best_epochs")

    results = inside("results")  # a file per track
    evaluation = inside("evaluation.json")  # what the results are results of
    audio = inside("audio")  # estimates that evaluate saved
    report_card_txt = inside("report_card.txt")
    report_card_csv = inside("report_card.csv")
    box_plots = inside("box_plots.png")
    input_sdr = inside("input_sdr.png")
    listening_page = inside("listening_page.html")
    black_box = inside("black_box")  # the last step that was not finite
    black_box_step = inside("black_box/step.json")
    black_box_weights = inside("black_box/weights.pth")
    debug = inside("debug")  # run folders of the debug command

    # a bootstrap, whose rounds are runs
    bootstrap_txt = inside("bootstrap.txt")
    rounds_csv = inside("rounds.csv")
    quintiles_csv = inside("quintiles.csv")
    # a round
    segments = inside("segments")
    chosen = inside("chosen")  # links to segments
    round_record = inside("round.json")  # once all its steps are done

    @property
    def counts(self) -> bool:
        """Whether the whole sweep that it belongs to was made."""
        sweep = self.sweep
        return sweep is None or not (self.folder.parent / sweep).exists()

    @property
    def sweep(self) -> str | None:
        """What the mark names; None without one."""
        try:
            return self.mark.read_text()
        except FileNotFoundError:
            return None

    def operative(self, command: str) -> Path:
        return self.folder / f"operative.{command}.gin"

    def epoch_model(self, epoch: int) -> Path:
        return self.checkpoints / f"epoch{epoch}.model.pth"

    def best_epoch_model(self, epoch: int) -> Path:
        return self.best_epochs / f"epoch{epoch}.model.pth"

    def lease(self, number: int | str) -> Path:
        return self.folder / f".lease.{number}"

    def round(self, number: int) -> "Run":
        return Run(self.folder / f"round{number}")

    @property
    def checkpoint(self) -> Path | None:
        """The newest that a training can go on from, damaged or not; None before the first."""
        return next(filter(Path.exists, (self.latest, self.previous)), None)

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


def find_run(config_paths: Sequence[str | Path]) -> Run | None:
    """The Run whose compiled `config.gin` is among `config_paths` (the last such), else None."""
    for path in reversed([Path(path) for path in config_paths]):
        run = Run(path.parent)
        if path == run.config and run.counts and (run.record.is_file() or is_compiled(path)):
            return run
    return None


def is_compiled(path: Path) -> bool:
    """Whether instantiate wrote this config.gin, which makes it a run by itself, wherever it is."""
    if not path.is_file():
        return False
    with path.open(errors="replace") as file:
        return any(line.startswith(COMPILED) for line in itertools.islice(file, 2))


def find_runs(config_paths: Sequence[str | Path]) -> list[Run]:
    """The Runs whose compiled `config.gin` is among `config_paths`, each once, in that order."""
    found = {}
    for run in (find_run([path]) for path in config_paths):
        if run is not None:
            found.setdefault(run.folder.resolve(), run)
    return list(found.values())


def is_edited(run: Run) -> bool:
    """Whether its config is not the one that instantiate wrote; False if nobody noted that one."""
    known = read_json(run.record).get("config_sha256") if run.record.is_file() else None
    return known is not None and file_sha256(run.config) != known


def warn_if_edited(runs: Iterable[Run]) -> None:
    for run in filter(is_edited, runs):
        log.warning("%s was changed since instantiate wrote it; it is taken as it is", run.config)


def compiled_configs(paths: Sequence[str | Path]) -> Iterator[Path]:
    """The .gin files that `paths` stand for: of a run folder its `config.gin`, of an out folder
    those of its numbered runs or, if it has none, of its named ones."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
        elif Run(path).config.is_file():
            yield Run(path).config
        else:
            configs = [Run(folder).config for folder in numbered(path) or sorted(path.iterdir())]
            yield from filter(Path.is_file, configs)


def own_paths(run: Run, config_paths: Sequence[str | Path]) -> list[str | Path]:
    """`config_paths`, without those of other runs; a bootstrap's stands for its round's."""
    own = []
    for path in config_paths:
        if not find_run([path]):
            own.append(path)
        elif run.folder.resolve().is_relative_to(Path(path).parent.resolve()):
            own.append(run.config)
    return own


def numbered(folder: Path) -> list[Path]:
    """Run folders of an out folder, or the rounds of a bootstrap's run, by number."""
    names = [path for name in ("run", "round") for path in folder.glob(f"{name}[0-9]*")]
    found = [path for path in names if path.is_dir() and Run(path).counts]
    return sorted(found, key=lambda path: int(re.search(r"\d+", path.name)[0]))


def runs_in(folder: Path) -> list[Path]:
    """Run folders in a folder, a bootstrap's rounds in its place; or the folder itself, a run."""
    return [run for path in numbered(folder) for run in runs_in(path)] or [folder]


def with_results(folders: Iterable[Path]) -> list[Run]:
    """The Runs among `folders` that evaluate has written to, each once; warns about the others."""
    found = {path.resolve(): path for path in folders}
    for path in found.values():
        if not has_results(path):
            log.warning("%s has no results, so it is left out", path)
    return [Run(path) for path in found.values() if has_results(path)]


def has_results(folder: Path) -> bool:
    return any(Run(folder).results.glob("*.json"))


def require(run: Run | None, command: str, paths: Sequence[str | Path]) -> None:
    """Tells beginners which step comes first, and those who give two runs at once to give one."""
    if len([path for path in paths if find_run([path])]) > 1:
        raise ConfigError(f"{command} works on one run at a time; give one config.gin after -c.")
    if run is None:
        raise ConfigError(
            f"{command} works in a run folder, and none of the files after -c is the config.gin of "
            "one: run instantiate first, then give the config.gin it makes."
        )


def run_number(folder: str | Path) -> int:
    """N of a folder `run<N>`, `run<N>:<label>` or `run<N>_<label>`; -1 for any other name."""
    match = re.match(r"run(\d+)([:_]|$)", Path(folder).name)
    return int(match.group(1)) if match else -1


def next_number(out_folder: str | Path) -> int:
    """One more than the highest existing `run<N>`; other names in the folder don't count."""
    folders = (path for path in Path(out_folder).glob("run*") if path.is_dir())
    return max(map(run_number, folders), default=-1) + 1


def describe(
    sweep_point: dict[str, Any], config_paths: Sequence[str | Path], command: Sequence[str]
) -> dict[str, Any]:
    """What `run.json` says about how a run came to be.

    Args:
        sweep_point: swept binding → value.
        config_paths: the .gin files it was compiled from.
        command: words of the command line.
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


def sweep_point(run: Run) -> dict[str, Any]:
    """dict, swept binding → value; empty if nothing was swept or the folder has no `run.json`."""
    return read_json(run.record)["sweep_point"] or {} if run.record.is_file() else {}


@functools.cache
def installed_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def git_state() -> dict[str, Any] | None:
    """`{"commit": …, "dirty": …}` of this code; None if it isn't a git checkout."""
    commit = git("rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(git("status", "--porcelain"))} if commit else None


def git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
