"""Compile .gin files into one run folder per point of the sweep."""

import hashlib
import logging
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin

from audition import configs
from audition.configs import points as written
from audition.configs.points import FORM, header, plain_point
from audition.configs.reach import reachable
from audition.errors import ConfigError
from audition.files import write_and_rename, write_json
from audition.identity import fingerprint
from audition.runs.folder import Run, describe, find_run
from audition.runs.sweeps import new_sweep, place, staged

log = logging.getLogger(__name__)
SHARED_RECORD = (
    "sweep_point",
    "sources",
)  # of run.json: the same at any time and place
SCRIPT = Path(__file__).with_name("run.sh")  # run.sh, except for two paths


@gin.configurable(denylist=["loaded"])
def instantiate(
    loaded: configs.Loaded,
    output_folder: str | None = None,
    machine_file: str | None = None,
    run_folder: str | None = None,
    label: str = FORM,
) -> list[Run]:
    """Makes `run<N>` folders that hold one complete config each, and a `run.sh` that runs them.

    Checks all points before it makes the first folder, and makes all folders or none.

    Args:
        loaded: the .gin files to compile.
        output_folder: where the run folders go; None derives it from the last .gin file that is
            neither data nor environment, `wham/exp/dpcl.gin` → `wham/exp/out/dpcl`.
        machine_file: .gin file of this machine's paths, such as 'musdb/env.gin'. The configs
            include it instead of repeating what it binds, so they work on any machine (see
            `configs.compiled`); None compiles it in like the others.
        run_folder: folder of a single run, instead of `run<N>`, for a run to be shared: it may be
            compiled again until something runs there, and its run.json names no time or place.
        label: how a run folder's name tells a swept name and its value; '{name}={value}' makes
            `run0_lr=0.001` of `run0:lr:0.001`.

    Raises:
        ConfigError: no config given, a sweep that names or holds something impossible, a label
            that can't name a folder, or a run_folder in which something ran.
    """
    if not loaded.paths:
        raise ConfigError("instantiate needs .gin files to compile; give them after -c.")
    written.check_form(label)
    points = configs.sweep_points()
    check_not_rebound(points[0], loaded.bindings)
    texts, caches = [], []
    for text in configs.compiled(points):
        texts.append(text)
        caches.append(reachable("cache.datasets") if reads_caches() else "")
    if run_folder is not None:
        return [write_shared(Run(Path(run_folder)), texts, points, loaded)]
    folder = Path(output_folder or derived_folder(loaded.paths))
    check_printable(folder)
    with new_sweep(folder) as staging:
        made = []
        for number, parts in enumerate(zip(texts, points, caches, strict=True)):
            made.append(staged(staging, number))
            fill(made[-1], *parts, loaded)
        runs = [
            place(one, written.label(point, label)) for one, point in zip(made, points, strict=True)
        ]
        script = write_script(folder)
    for run in runs:
        log.info("%s", run.config)
    num_runs = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    log.info("%s; `sh %s` runs or queues all that are there.", num_runs, script)
    return runs


def check_printable(folder: Path) -> None:
    """Lists of runs, and run.sh, have a run per line."""
    if not str(folder).isprintable():
        raise ConfigError(
            f"instantiate.output_folder = {str(folder)!r} has a line break or another character in "
            "it that can't be printed; choose another name."
        )


def write_shared(
    run: Run, texts: list[str], points: list[dict[str, Any]], loaded: configs.Loaded
) -> Run:
    """Writes a run meant to be shared, and returns it."""
    if len(texts) > 1:
        raise ConfigError(
            f"instantiate.run_folder is for one run, and sweep.parameters makes {len(texts)}; bind "
            "one of the two to None."
        )
    text = header(points[0], loaded.paths) + texts[0]
    is_same = run.config.exists() and run.config.read_text() == text
    if not is_same and run.status.exists():
        raise ConfigError(
            f"instantiate.run_folder = {str(run.folder)!r} holds what a run of another config "
            "left; move it elsewhere."
        )
    record = describe(plain_point(points[0]), loaded.paths, loaded.command_line)
    write_json(run.record, {name: record[name] for name in SHARED_RECORD})
    write_config(run, text)
    log.info("%s", run.config)
    return run


def derived_folder(paths: Sequence[str | Path]) -> Path:
    """The out folder of the experiment: of the last .gin file given that is one.

    A compiled config belongs to the out folder it is in.
    """
    experiments = [Path(path) for path in paths if is_experiment(Path(path))]
    path = experiments[-1] if experiments else Path(paths[-1])
    if find_run([path]):
        return path.resolve().parent.parent
    return path.parent / "out" / path.stem


def is_experiment(path: Path) -> bool:
    """Whether a .gin file says what to try, rather than where things are (`env.gin`, `env_lab.gin`)
    or what data there are (any other file of a recipe, beside the folder `exp`)."""
    return not re.match(r"env(?![a-z])", path.name) and not Path(path.parent, "exp").is_dir()


def check_not_rebound(point: dict[str, Any], bindings: Sequence[str]) -> None:
    """The sweep sets the values of what it sweeps; a `-b` for it would silently be lost."""
    for binding in bindings:
        name = binding.split("=")[0].strip()
        if name in point:
            raise ConfigError(
                f"-b {binding!r} binds what sweep.parameters sweeps; add "
                "-b 'sweep.parameters = None', or leave it out."
            )


def fill(run: Run, text: str, point: dict[str, Any], cache: str, loaded: configs.Loaded) -> None:
    """Writes a run's record and, last, its config.

    Args:
        cache: text of what its caches depend on; runs with the same text share them.
    """
    record = describe(plain_point(point), loaded.read, loaded.command_line)
    pipeline = "bootstrap" if is_bootstrap() else "all"
    key = fingerprint(cache) if cache else ""
    text = header(point, loaded.paths) + text
    config = {"config_sha256": hashlib.sha256(text.encode()).hexdigest()}
    write_json(run.record, {**record, **config, "pipeline": pipeline, "cache_key": key})
    write_config(run, text)


def write_config(run: Run, text: str) -> None:
    with write_and_rename(run.config) as file:
        file.write(text)


def is_bootstrap() -> bool:
    """Whether these runs learn in rounds."""
    return configs.raw_binding("bootstrap.rounds") is not None


def reads_caches() -> bool:
    """Whether run.sh should fill caches: only training reads them, and a bootstrap's rounds fill
    those of their own data."""
    return configs.has_network() and not is_bootstrap()


def write_script(folder: Path) -> str:
    """Writes `run.sh`, which finds the runs beside it when called."""
    path = folder / "run.sh"
    root, here = os.path.relpath(Path.cwd(), folder), os.path.relpath(folder)
    with write_and_rename(path) as file:
        text = SCRIPT.read_text().replace("@ROOT@", shlex.quote(root))
        file.write(text.replace("@FOLDER@", shlex.quote(here)))
    path.chmod(0o755)
    return os.path.relpath(path)
