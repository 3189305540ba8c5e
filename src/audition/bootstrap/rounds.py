"""One round of a bootstrap: its folder, its config, and whether it is done."""

from audition import configs
from audition.bootstrap.segments import segment_table
from audition.bootstrap.selection import chosen_segments
from audition.bootstrap.summary import Round
from audition.configs.points import header, plain_point
from audition.errors import ConfigError
from audition.files import read_json, write_and_rename, write_json
from audition.identity import file_sha256
from audition.reports.report_card import score_table
from audition.runs.folder import describe
from audition.runs.status import is_complete, read_status

ONLY_SPEED = (
    *(".num_workers", ".num_data_workers", ".num_threads", ".device"),
    *("evaluate.batch_size", "segment_and_separate.batch_size"),
)


OF_THE_WHOLE = ("bootstrap.rounds", "bootstrap.score")  # bindings that make no round another one


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
    done = one.round_record
    return done.is_file() and read_json(done)["model_sha256"] == model_sha256(one)


def model_sha256(one):
    """None in a round without a network, such as round 0."""
    return file_sha256(one.best_model) if one.best_model.is_file() else None


def check_teaches_nobody(one, later):
    """A round that is begun anew would leave those that it taught with the teacher of before."""
    pupils = [str(pupil.folder) for pupil in later if pupil.folder.exists()]
    if pupils:
        raise ConfigError(
            f"{one.folder} is to be done anew, and {pupils[0]} has learned from what it was: delete "
            f"{' and '.join(pupils)} first."
        )


def compile_round(one, point, loaded):
    """Writes the round's config where there is none yet, and loads it.

    What only changes the speed may change later on.

    Args:
        one: Run of the round.
        point: dict, binding → value.
        loaded: configs.Loaded: the config of the whole.
    """
    configs.load(loaded.paths, loaded.bindings)
    text = next(configs.compiled([point], OF_THE_WHOLE))
    wanted = configs.bindings_in_force()
    if one.config.is_file():
        configs.load([one.config])
        check_same_settings(one, configs.bindings_in_force(), wanted)
    else:
        record = describe(plain_point(point), loaded.paths, loaded.command_line)
        write_json(one.record, record)
    with write_and_rename(one.config) as file:
        file.write(header(point, loaded.paths) + text)
    configs.load([one.config], run=one)


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


def read_round(one):
    """The Round in a round's folder."""
    if not one.segments.is_dir():
        return Round(one.name, score_table(one))
    chosen = chosen_segments(one.chosen)
    return Round(one.name, score_table(one), segment_table(one.segments), chosen)
