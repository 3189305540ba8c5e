"""One round of a bootstrap: its folder, its config, and whether it is done."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gin

from audition import configs
from audition.bootstrap.segments import segment_table
from audition.bootstrap.selection import chosen_segments
from audition.bootstrap.summary import Round
from audition.configs.points import header, plain_point
from audition.errors import ConfigError
from audition.files import read_json, write_and_rename, write_json
from audition.identity import file_sha256
from audition.reports.report_card import score_table
from audition.runs.folder import Run, describe
from audition.runs.results import changed_files, describe_files
from audition.runs.status import is_complete, read_status

ONLY_SPEED = (
    *(".num_workers", ".num_data_workers", ".num_threads", ".device"),
    *("evaluate.batch_size", "segment_and_separate.batch_size"),
)


LEARNED_FROM, TESTED_ON = "segment_and_separate.data", "evaluate.test_data"
OF_THE_WHOLE = ("bootstrap.rounds", "bootstrap.score")  # bindings that don't change a round


def first_teacher(rounds: Sequence[dict]) -> Any:
    """The teacher that round 1 binds, or else all rounds, as gin parsed it."""
    name = "segment_and_separate.separator"
    teacher = rounds[0].get(name, configs.raw_binding(name))
    if teacher is None:
        raise ConfigError(f"{name} is required but not bound; add `{name} = …` to a .gin file.")
    return teacher


def is_done(one: Run) -> bool:
    """Whether all steps of the round are complete, and its network and test songs are still the same.

    Raises:
        ConfigError: the songs that it learned from are others now.
    """
    if not (is_complete(read_status(one)) and is_as_it_taught(one)):
        return False
    known = read_json(one.round_record).get("songs", {})  # earlier versions noted none
    changed = {name: changed_songs(name, files) for name, files in known.items()}
    if learned := changed.get(LEARNED_FROM):
        raise ConfigError(
            f"{len(learned)} files of {LEARNED_FROM}, such as {learned[0]}, were changed or deleted "
            f"since {one.folder} learned from them: put them back, or delete {one.folder} and the "
            "rounds after it to learn from those that are there now."
        )
    return not any(changed.values())


def record_round(one: Run, number: int) -> None:
    """Notes what a round that is done was made from, and which network came of it."""
    names = (LEARNED_FROM, TESTED_ON) if number else (TESTED_ON,)
    songs = {name: describe_files(*files_of(name)) for name in names}
    write_json(one.round_record, {"model_sha256": model_sha256(one), "songs": songs})


def changed_songs(binding: str, known: dict[str, list]) -> list[Path]:
    """Files of a binding's data that differ from those known, by content; and those that are new."""
    root, files = files_of(binding)
    new = [path for path in files if path.relative_to(root).as_posix() not in known]
    return [*changed_files(root, known), *new]


def files_of(binding: str) -> tuple[Path, list[Path]]:
    """`(root, files)` of the data that a binding of the loaded config gives a command."""
    command, _, argument = binding.partition(".")
    data = gin.get_bindings(command)[argument]
    each = (data.described.item_files(item) for item in data.dataset.items)
    return Path(data.dataset.folder), sorted({Path(path) for paths in each for path in paths})


def is_as_it_taught(one: Run) -> bool:
    """Whether the round was once complete and its network is still the one it had then."""
    done = one.round_record
    return done.is_file() and read_json(done)["model_sha256"] == model_sha256(one)


def model_sha256(one: Run) -> str | None:
    """Hash of the round's network; None in a round without one, such as round 0."""
    return file_sha256(one.best_model) if one.best_model.is_file() else None


def check_teaches_nobody(one: Run, later: list[Run]) -> None:
    """Refuses to repeat a round from whose old results later rounds have learned."""
    pupils = [str(pupil.folder) for pupil in later if pupil.folder.exists()]
    if pupils:
        raise ConfigError(
            f"{one.folder} has to be repeated, but {pupils[0]} has learned from its old results: "
            f"delete {' and '.join(pupils)} first."
        )


def compile_round(one: Run, point: dict, loaded: configs.Loaded) -> None:
    """Writes the round's config, if there is none yet, and loads it.

    Bindings that only affect speed may change later.

    Args:
        one: Run of the round.
        point: dict, binding → value.
        loaded: configs.Loaded: the config of the whole bootstrap.
    """
    configs.load(loaded.paths, loaded.bindings)
    text = next(configs.compiled([point], OF_THE_WHOLE))
    wanted = configs.bindings_in_force()
    if one.config.is_file():
        configs.load([one.config])
        check_same_settings(one, configs.bindings_in_force(), wanted)
    else:
        record = describe(plain_point(point), loaded.read, loaded.command_line)
        write_json(one.record, record)
    with write_and_rename(one.config) as file:
        file.write(header(point, loaded.paths) + text)
    configs.load([one.config], run=one)


def check_same_settings(one: Run, held: dict, wanted: dict) -> None:
    """Refuses to continue a round that was started with other bindings.

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
            f"({', '.join(differing)} differ): bootstrap with the original settings, or delete "
            f"{one.folder} and the rounds after it to start them over."
        )


def read_round(one: Run) -> Round:
    """Reads the Round in a round's folder."""
    if not one.segments.is_dir():
        return Round(one.name, score_table(one))
    chosen = chosen_segments(one.chosen)
    return Round(one.name, score_table(one), segment_table(one.segments), chosen)
