"""Learn to separate without ground truth, in rounds: separate, choose, train, evaluate."""

import functools
import logging
from collections.abc import Callable, Iterator

import gin

from audition import configs
from audition.bootstrap.rounds import (
    check_teaches_nobody,
    compile_round,
    first_teacher,
    is_as_it_taught,
    is_done,
    read_round,
    record_round,
)
from audition.bootstrap.segments import segment_table
from audition.bootstrap.summary import (
    can_be_drawn,
    check_score,
    confidence_table,
    quintile_table,
    round_table,
    tables_text,
)
from audition.commands.analyze import analyze
from audition.commands.cache import cache
from audition.commands.construct_symlink_folder import construct_symlink_folder
from audition.commands.evaluate import evaluate
from audition.commands.plot_calibration import plot_calibration
from audition.commands.segment_and_separate import segment_and_separate
from audition.commands.train import train
from audition.files import write_and_rename, write_csv
from audition.reports.report_card import score_table
from audition.runs.folder import Run
from audition.runs.status import recorded

log = logging.getLogger(__name__)


def bootstrap(run: Run, loaded: configs.Loaded) -> None:
    """In rounds: separate, choose the confident, train on them, evaluate; see `run_rounds`."""
    # by position, so that gin leaves the references in the rounds alone: each round builds its own
    run_rounds(run, loaded, configs.round_points())


@gin.configurable("bootstrap", denylist=["run", "loaded"])
def run_rounds(
    run: Run, loaded: configs.Loaded, rounds: list[dict], score: str = "SI-SDRi"
) -> None:
    """Learns to separate without ground truth: what one separator is sure of teaches the next.

    Round N is a run folder of its own, `<run>/round<N>`: it separates `segment_and_separate.data`
    into `segments/`, links the confident ones in `chosen/`, trains on them, and evaluates. Its
    config is the run's plus the bindings of `rounds[N - 1]`. Round 0 only evaluates the teacher of
    the first round. Training data are found by `@in_run()` with `in_run.path = 'chosen'`; the
    previous round's network is a teacher's `model_path`,
    '../round<N - 1>/checkpoints/best.model.pth'.

    A bootstrap that was stopped continues when called again. At the end, even if nothing was left
    to do, it prints two tables, also written to `rounds.csv`, `quintiles.csv` and `bootstrap.txt`:
    the rounds, each against round 0 over the same tracks, and the fifths of the segments by
    confidence. If a round was measured on several features, `bootstrap.txt` has r of each as well.

    Args:
        run: the bootstrap's.
        loaded: the config of the whole bootstrap.
        rounds: list of dicts, binding → value, such as `[{'TEACHER': @PrimitiveEnsemble()}]`.
        score: column of the tables.

    Raises:
        ConfigError: rounds that are impossible, or that were begun with other settings.
    """
    points = [{**rounds[0], "evaluate.separator": first_teacher(rounds)}, *rounds]
    ones = [run.round(number) for number in range(len(points))]
    for number, (one, point) in enumerate(zip(ones, points, strict=True)):
        compile_round(one, point, loaded)
        if is_done(one):
            log.info("%s is complete", one.name)
            continue
        if number > 0 and not is_as_it_taught(one):
            check_teaches_nobody(one, ones[number + 1 :])
        with recorded(one, "bootstrap"):
            for step in steps(one, number, score):
                carry_out(step, one)
            record_round(one, number)
        check_score(score_table(one), one.name, score)
    report(run, ones, score)


def steps(one: Run, number: int, score: str) -> Iterator[Callable]:
    """The commands of a round, each of which continues where it was stopped.

    They come one at a time, since each may depend on what the previous one wrote.
    """
    if number > 0:
        yield functools.partial(segment_and_separate, folder=one.segments)
        if can_be_drawn(segment_table(one.segments), score):
            yield functools.partial(plot_calibration, segments=one.segments, score=score)
        yield functools.partial(
            construct_symlink_folder, segments=one.segments, destination=one.chosen
        )
        if configs.raw_binding("cache.datasets") is not None:
            yield cache
        yield functools.partial(train, resume=True)
    yield evaluate
    yield analyze


def carry_out(step: Callable, one: Run) -> None:
    name = getattr(step, "func", step).__name__
    log.info("%s: %s", one.name, name)
    configs.call(step, one)
    configs.write_operative(one.operative(name))


def report(run: Run, ones: list[Run], score: str) -> None:
    """Prints and writes the tables of rounds and quintiles."""
    rounds = [read_round(one) for one in ones]
    by_round, by_quintile = round_table(rounds, score), quintile_table(rounds, score)
    text = tables_text(by_round, confidence_table(rounds, score), by_quintile, score)
    for path, table in ((run.rounds_csv, by_round), (run.quintiles_csv, by_quintile)):
        write_csv(path, table)
    with write_and_rename(run.bootstrap_txt) as file:
        file.write(text)
    print(text, end="")
