"""Several commands in a row: all, resume, debug, bootstrap."""

import functools
import logging

import gin
import numpy as np

from src import configs, sweep_points
from src.commands.analyze import analyze
from src.commands.cache import cache
from src.commands.construct_symlink_folder import chosen_segments, construct_symlink_folder
from src.commands.evaluate import evaluate
from src.commands.plot_calibration import plot_calibration
from src.commands.segment_and_separate import segment_and_separate
from src.commands.train import train
from src.datasets.segments import segment_table
from src.errors import ConfigError
from src.files import file_sha256, read_json, write_and_rename, write_json
from src.metrics import score_table
from src.metrics.rounds import (
    Round,
    calibration,
    check_score,
    quintile_table,
    round_table,
    tables_text,
)
from src.runs import Run, describe
from src.status import is_complete, read_status, recorded

log = logging.getLogger(__name__)
ONLY_SPEED = (
    *(".num_workers", ".num_data_workers", ".num_threads", ".device"),
    *("evaluate.batch_size", "segment_and_separate.batch_size"),
)
MARKER = "round.json"  # in a round's folder, once all its steps are done
OF_THE_WHOLE = ("bootstrap.rounds", "bootstrap.score")  # bindings that make no round another one


def all(run):
    """Train, evaluate, analyze; a separator that learns nothing is only evaluated."""
    check_no_bootstrap("all")
    if has_network():
        train(run)
    evaluate(run)
    analyze(run)


def resume(run):
    """Go on from the latest checkpoint (from the start where there is none), evaluate, analyze."""
    check_no_bootstrap("resume")
    if has_network():
        train(run, resume=True)
    evaluate(run)
    analyze(run)


def check_no_bootstrap(command):
    if configs.raw_binding("bootstrap.rounds") is not None:
        raise ConfigError(
            f"{command} is for a single training, and bootstrap.rounds is bound: run bootstrap, which "
            "also goes on where it was stopped."
        )


def has_network():
    return configs.raw_binding("train.model_config") is not None


@gin.configurable(denylist=["run"])
def debug(run, data=gin.REQUIRED, num_iterations=1000, item=None, seed=0):
    """Overfits one item, evaluates on that same item and keeps its audio, in `<run>/debug`.

    A network and losses that can't overfit one item won't learn from many.

    Args:
        data: Corpus to take the item from.
        num_iterations: of the single epoch.
        item: index in `data`; None draws one with `seed`.
    """
    if item is None:
        item = int(np.random.default_rng(seed).integers(len(data)))
    one = data.only([item])
    run = Run(run.folder / "debug" / one.names[0])
    (run.checkpoints / "latest.pth").unlink(missing_ok=True)  # of an earlier debug
    train(run, train_data=one, val_data=one, num_epochs=1, epoch_length=num_iterations, remix=None)
    evaluate(run, test_data=one, save_audio=True)
    analyze(run)


def bootstrap(run):
    """Rounds of separate, choose the confident, train on them, evaluate; see `run_rounds`."""
    # by position, so that gin leaves the references in the rounds as they are: rounds build them
    run_rounds(run, configs.round_points())


@gin.configurable("bootstrap", denylist=["run"])
def run_rounds(run, rounds, score="SI-SDRi"):
    """Learns to separate without ground truth: what one separator is sure of teaches the next.

    Round N is a run folder of its own, `<run>/round<N>`: it separates `segment_and_separate.data`
    into `segments/`, links the confident in `chosen/`, trains on them, evaluates. Its config is that
    of the run and the bindings of `rounds[N - 1]`. Round 0 is the teacher of the first round,
    evaluated. Training data lie where `@in_run()` with `in_run.path = 'chosen'` says; the network of
    the round before is '../round<N - 1>/checkpoints/best.model.pth' as a teacher's `model_path`.

    A stopped bootstrap goes on when called again. At the end, and when all is there already, it
    prints the rounds, each against round 0 over the same tracks, and the fifths of the segments by
    confidence, and writes them to `rounds.csv`, `quintiles.csv` and `bootstrap.txt`.

    Args:
        run: Run.
        rounds: list of dicts, binding → value, such as `[{'TEACHER': @PrimitiveEnsemble()}]`.
        score: column of the tables.

    Raises:
        ConfigError: rounds that can't be, or that were begun with other settings.
    """
    parent = configs.loaded
    points = [{**rounds[0], "evaluate.separator": first_teacher(rounds)}, *rounds]
    ones = [Run(run.folder / f"round{number}") for number in range(len(points))]
    for number, (one, point) in enumerate(zip(ones, points, strict=True)):
        compile_round(one, point, parent)
        if is_done(one):
            log.info("%s is complete", one.name)
            continue
        if number > 0 and not is_as_it_taught(one):
            check_teaches_nobody(one, ones[number + 1 :])
        with recorded(one, "bootstrap"):
            for step in steps(one, number, score):
                carry_out(step, one)
            write_json(one.folder / MARKER, {"model_sha256": model_sha256(one)})
        check_score(score_table(one), one.name, score)
    report(run, ones, score)


def first_teacher(rounds):
    """What round 1 binds as its teacher, or what is bound for all rounds, as gin parsed it."""
    name = "segment_and_separate.separator"
    teacher = rounds[0].get(name, configs.raw_binding(name))
    if teacher is None:
        raise ConfigError(f"{name} is required but not bound; add `{name} = …` to a .gin file.")
    return teacher


def is_done(one):
    """Whether a bootstrap has gone through all steps of the round, and none has been left since."""
    return is_complete(read_status(one)) and is_as_it_taught(one)


def is_as_it_taught(one):
    """Whether the round once was complete, and its network is still that which came out then."""
    marker = one.folder / MARKER
    return marker.is_file() and read_json(marker)["model_sha256"] == model_sha256(one)


def model_sha256(one):
    """None in a round without a network, such as round 0."""
    path = one.checkpoints / "best.model.pth"
    return file_sha256(path) if path.is_file() else None


def check_teaches_nobody(one, later):
    """A round that is begun anew would leave those that it taught with the teacher of before."""
    pupils = [str(pupil.folder) for pupil in later if pupil.folder.exists()]
    if pupils:
        raise ConfigError(
            f"{one.folder} is to be done anew, and {pupils[0]} has learned from what it was: delete "
            f"{' and '.join(pupils)} first."
        )


def compile_round(one, point, parent):
    """Writes the round's config where there is none yet, and loads it.

    What only changes the speed may change later on.

    Args:
        one: Run of the round.
        point: dict, binding → value.
        parent: what is loaded for the whole, a `configs.Loaded`.
    """
    configs.load(*parent)
    text = next(configs.compiled([point], OF_THE_WHOLE))
    wanted = configs.bindings_in_force()
    if one.config.is_file():
        configs.load([one.config])
        check_same_settings(one, configs.bindings_in_force(), wanted)
    else:
        record = describe(sweep_points.plain_point(point), parent.paths, parent.command_line)
        write_json(one.record, record)
    with write_and_rename(one.config) as file:
        file.write(sweep_points.header(point, parent.paths) + text)
    configs.load([one.config], (), parent.command_line)


def check_same_settings(one, held, wanted):
    """Refuses a round that was begun with other bindings.

    Args:
        held, wanted: dict, binding → value.
    """
    differing = [
        name
        for name in sorted({*held, *wanted})
        if held.get(name) != wanted.get(name) and not name.endswith(ONLY_SPEED)
    ]
    if differing:
        raise ConfigError(
            f"{one.config} was compiled from other settings than those given now "
            f"({', '.join(differing)} differ): bootstrap with the settings it was begun with, or "
            f"delete {one.folder} and the rounds after it to begin them anew."
        )


def steps(one, number, score):
    """The commands of a round, each of which goes on where it was stopped.

    They are drawn one by one: what comes next may depend on what the one before has left.
    """
    segments, chosen = one.folder / "segments", one.folder / "chosen"
    if number > 0:
        yield functools.partial(segment_and_separate, folder=segments)
        if calibration(segment_table(segments), score):
            yield functools.partial(plot_calibration, segments=segments, score=score)
        yield functools.partial(construct_symlink_folder, segments=segments, destination=chosen)
        if configs.raw_binding("cache.datasets") is not None:
            yield cache
        yield functools.partial(train, resume=True)
    yield evaluate
    yield analyze


def carry_out(step, one):
    name = getattr(step, "func", step).__name__
    log.info("%s: %s", one.name, name)
    configs.call(step, one)
    configs.write_operative(one.operative(name))


def report(run, ones, score):
    """Prints and writes the tables of rounds and quintiles."""
    rounds = [read_round(one) for one in ones]
    by_round, by_quintile = round_table(rounds, score), quintile_table(rounds, score)
    text = tables_text(by_round, by_quintile, score)
    for name, table in (("rounds", by_round), ("quintiles", by_quintile)):
        with write_and_rename(run.folder / f"{name}.csv") as file:
            table.to_csv(file, index=False)
    with write_and_rename(run.folder / "bootstrap.txt") as file:
        file.write(text)
    print(text, end="")


def read_round(one):
    """The Round in a round's folder."""
    segments = one.folder / "segments"
    if not segments.is_dir():
        return Round(one.name, score_table(one))
    chosen = chosen_segments(one.folder / "chosen")
    return Round(one.name, score_table(one), segment_table(segments), chosen)
