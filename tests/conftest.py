"""Importing src first patches nussl, so that a test file may import nussl wherever ruff sorts it."""

import signal

import gin
import pytest

import audition  # noqa: F401
from audition import configs
from tests.support import corpora, road

# a shell starts what runs in its background with Ctrl-C ignored, and what that starts ignores it, too
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_bindings():
    """gin is one for the whole process: no test finds what another has bound."""
    yield
    gin.clear_config()
    configs.distrust = None


@pytest.fixture(scope="session")
def speech(tmp_path_factory):
    """Folder with rendered voices in the layout of WHAM!: 12 mixtures to train on, 4 and 4."""
    root = tmp_path_factory.mktemp("wham")
    sizes = "make_toy_speech.num_mixtures = {'tr': 12, 'cv': 4, 'tt': 4}"
    bindings = [f"make_toy_speech.root = '{root}'", sizes, "make_toy_speech.seconds = 1.0"]
    road.call("make_toy_speech", "toy/env.gin", *bindings, "make_toy_speech.num_workers = 0")
    return root


@pytest.fixture
def sessions(speech, tmp_path):
    """The rendered voices in the layout of the corpus that docs/adding.md adds."""
    return corpora.write_sessions(tmp_path / "sessions", speech)


@pytest.fixture
def instantiate(speech, tmp_path):
    """Function `(*bindings)` → the Runs of the tiny experiment on the rendered voices."""

    def compile_runs(*bindings):
        return road.instantiate(speech, tmp_path, *bindings)

    return compile_runs


@pytest.fixture(scope="session")
def prepared_songs(tmp_path_factory):
    """Folder with rendered songs, prepared as MUSDB18 is: three to learn from, one to test on."""
    from tests.support import music  # seconds that not every test needs

    folder = tmp_path_factory.mktemp("songs")
    return music.prepare(music.render(folder), folder / "prepared")


@pytest.fixture(scope="session")
def bootstrapped(prepared_songs, tmp_path_factory):
    """Run of a small bootstrap that went through both its rounds undisturbed; only to read."""
    from tests.support import music

    run = music.compile_bootstrap(prepared_songs, tmp_path_factory.mktemp("bootstrap"))
    road.call("bootstrap", run.config)
    return run
