"""The verbs: what a person types after main.py. One module each; they never import each other, save `pipelines` and `bootstrap`."""

COMMANDS = {
    "instantiate": "compile .gin files into one run folder per point of the sweep",
    "cache": "pack the waveforms of the data sets once, so that training reads them fast",
    "train": "train the network of a run folder",
    "evaluate": "separate the test set and score it, one file per track",
    "analyze": "print and write the report card of the scores, and draw them",
    "compare": "print and write one table of the scores of many runs, and whether they differ",
    "listening_page": "write a page to listen to: a run, or several side by side",
    "sweep_status": "print one line per run of a sweep: where it stands",
    "all": "train, evaluate, analyze",
    "resume": "go on from the latest checkpoint, then evaluate, analyze",
    "bootstrap": "rounds of separate, choose the confident, train on them, evaluate",
    "debug": "overfit one item, evaluate on it, keep its audio",
    "segment_and_separate": "cut long audio into segments, separate and measure each",
    "construct_symlink_folder": "choose segments to learn from: a folder of links",
    "plot_calibration": "draw confidence against true scores of segments",
    "prepare_musdb": "turn MUSDB18 into one folder of wav files per split and stem",
    "make_scaper_datasets": "write mixtures to disk, with their sources and jams",
    "resample_folder": "turn any folder of audio into wav files of one sample rate",
    "make_toy_speech": "render a small speech corpus in the layout of WHAM!",
    "make_toy_music": "render a small music corpus in the layout of MUSDB18-HQ",
}
NEED_A_RUN = ("train", "evaluate", "analyze", "all", "resume", "bootstrap", "debug")
IN_PIPELINES = ("all", "resume", "debug")


def module_name(command):
    """Module that holds a command's function."""
    return f"audition.commands.{'pipelines' if command in IN_PIPELINES else command}"
