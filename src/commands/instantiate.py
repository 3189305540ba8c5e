"""Compile .gin files into one run folder per point of the sweep."""

import logging
import os
import shlex
from pathlib import Path

import gin

from src import configs, sweep_points
from src.errors import ConfigError
from src.files import write_and_rename, write_json
from src.runs import describe, find_run, make_run

log = logging.getLogger(__name__)
SCRIPT = Path(__file__).with_name("run.sh")  # what run.sh says, but for its folder and its runs


@gin.configurable(denylist=["run"])
def instantiate(run, output_folder=None):
    """Makes `run<N>` folders that hold one complete config each, and a `run.sh` that runs them.

    All points are checked before the first folder is made.

    Args:
        output_folder: where the run folders go; None derives it from the experiment's path,
            `wham/exp/dpcl.gin` → `wham/exp/out/dpcl`.

    Raises:
        ConfigError: no config given, or a sweep that names or holds something that can't be.
    """
    loaded = configs.loaded
    if not loaded.paths:
        raise ConfigError("instantiate needs .gin files to compile; give them after -c.")
    points = configs.sweep_points()
    texts, caches = [], []
    for text in configs.compiled(points):
        texts.append(text)
        caches.append(configs.reachable("cache.datasets"))
    folder = Path(output_folder or derived_folder(loaded.paths))
    runs = []
    for point, text in zip(points, texts, strict=True):
        runs.append(make_run(folder, sweep_points.label(point)))
        fill(runs[-1], text, point, loaded)
    script = write_script(folder, runs, caches)
    for run in runs:
        log.info("%s", run.config)
    log.info("%d of them; `sh %s` runs or queues them all.", len(runs), script)
    return runs


def derived_folder(paths):
    """The out folder of the experiment: the last .gin file given that lies in a folder `exp`.

    A compiled config belongs to the out folder it is in.
    """
    experiments = [Path(path) for path in paths if Path(path).parent.name == "exp"]
    path = experiments[-1] if experiments else Path(paths[-1])
    if find_run([path]):
        return path.resolve().parent.parent
    return path.parent / "out" / path.stem


def fill(run, text, point, loaded):
    record = describe(
        {name: sweep_points.plain_value(value) for name, value in point.items()},
        loaded.paths,
        loaded.command_line,
    )
    write_json(run.record, record)
    with write_and_rename(run.config) as file:
        file.write(sweep_points.header(point, loaded.paths) + text)


def write_script(folder, runs, caches):
    """Writes `run.sh`: one quoted line per new run, relative to the working folder.

    Args:
        caches: per run, what its caches depend on; runs that agree share the caches of the first.
    """
    root = os.path.relpath(Path.cwd(), folder)
    lines, filled = [], {""}
    for run, cache in zip(runs, caches, strict=True):
        quoted = shlex.quote(os.path.relpath(run.folder))
        if cache not in filled:
            lines.append(f"fill {quoted}")
            filled.add(cache)
        lines.append(f"run {quoted}")
    path = folder / "run.sh"
    with write_and_rename(path) as file:
        text = SCRIPT.read_text().replace("@ROOT@", shlex.quote(root))
        file.write(text.replace("@RUNS@", "\n".join(lines)))
    path.chmod(0o755)
    return os.path.relpath(path)
