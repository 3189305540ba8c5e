"""The verbs: what a person types after main.py, one module each.

They never import each other, except in `pipelines` and `bootstrap`.
"""

from typing import NamedTuple

NOTHING = ("nothing",)  # None
FILES = ("loaded",)  # configs.Loaded: the .gin files, the bindings, the command line
A_RUN = ("run",)
A_RUN_IF_GIVEN = ("run_if_given",)  # otherwise None
FOLDERS = ("folders",)  # what stands after -c; the configs there are not read
RUNS = ("runs",)  # list of those after -c, where an out folder stands for all it holds


class Command(NamedTuple):
    """What --help says about a command, and what main.py passes as its first arguments."""

    text: str
    works_on: tuple[str, ...]


COMMANDS = {
    "instantiate": Command("compile .gin files into one run folder per point of the sweep", FILES),
    "cache": Command(
        "pack the waveforms of the data sets once, for training to read them fast", A_RUN_IF_GIVEN
    ),
    "train": Command("train the network of a run folder", A_RUN),
    "evaluate": Command("separate the test set and score it, one file per track", A_RUN),
    "analyze": Command("print and write the report card of the scores, and draw them", A_RUN),
    "compare": Command(
        "print and write one table of the scores of many runs, and whether they differ", RUNS
    ),
    "listening_page": Command(
        "write a page to listen to: a run, or several side by side", RUNS + FILES
    ),
    "sweep_status": Command("print one line per run of a sweep: where it stands", RUNS),
    "verify": Command("read all that runs have written, and name what is damaged", FOLDERS),
    "all": Command("train, evaluate, analyze", A_RUN),
    "resume": Command("continue from the latest checkpoint, then evaluate, analyze", A_RUN),
    "bootstrap": Command(
        "in rounds: separate, choose the confident, train on them, evaluate", A_RUN + FILES
    ),
    "debug": Command("overfit one item, evaluate on it, keep its audio", A_RUN),
    "replay": Command("do the step again that was not finite, and name what made it so", A_RUN),
    "segment_and_separate": Command(
        "cut long audio into segments, separate and measure each", A_RUN_IF_GIVEN
    ),
    "construct_symlink_folder": Command(
        "choose segments to learn from, as a folder of links", NOTHING
    ),
    "plot_calibration": Command("draw confidence against true scores of segments", NOTHING),
    "prepare_musdb": Command(
        "turn MUSDB18 into one folder of wav files per split and stem", NOTHING
    ),
    "make_scaper_datasets": Command("write mixtures to disk, with their sources and jams", NOTHING),
    "resample_folder": Command(
        "turn any folder of audio into wav files of one sample rate", NOTHING
    ),
    "make_toy_speech": Command("render a small speech corpus in the layout of WHAM!", NOTHING),
    "make_toy_music": Command("render a small music corpus in the layout of MUSDB18-HQ", NOTHING),
}
NEED_A_RUN = tuple(name for name, command in COMMANDS.items() if "run" in command.works_on)
IN_PIPELINES = ("all", "resume", "debug", "replay")
ASIDE = ("debug", "replay")  # leave the run's status alone


def module_name(command: str) -> str:
    """The module that holds a command's function."""
    return f"audition.commands.{'pipelines' if command in IN_PIPELINES else command}"
