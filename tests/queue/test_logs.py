"""logs.py: what it reads of tsp's list, and its panes in a real tmux beside a real tsp."""

import os
import pty
import subprocess
import sys

import pytest

from logs import Job, list_jobs, split_label, title
from tests.queue.fake_gpus import ROOT, SECONDS, wait_until
from tests.queue.spooler import FOR_EVER, Spooler, needs_tmux, needs_tsp

FORMAT = "#{window_index} #{pane_index} #{@run}"


def needs_both(test):
    return needs_tsp(needs_tmux(test))


@pytest.fixture
def spooler():
    spooler = Spooler(num_slots=20)
    yield spooler
    spooler.close()


@pytest.fixture
def inside(spooler):
    """The same, from within a tmux session of one window."""
    spooler.tmux("-f", "/dev/null", "new-session", "-d", "-s", "mine", "-x", "160", "-y", "48")
    place = spooler.tmux("display-message", "-p", "#{socket_path},#{pid},0")
    spooler.environment["TMUX"] = place[0]
    return spooler


def pipe_to_sh(spooler):
    """(stdout, stderr) of `./logs.py | sh`."""
    options = {"cwd": ROOT, "env": spooler.environment, "timeout": SECONDS, "check": True}
    result = subprocess.run("./logs.py | sh", shell=True, capture_output=True, text=True, **options)
    return result.stdout, result.stderr


def titles(spooler, window):
    """Names of a window's panes, in the order in which they stand."""
    panes = [pane.split(" ", 2) for pane in spooler.tmux("list-panes", "-s", "-F", FORMAT)]
    return [name for index, _, name in panes if int(index) == window]


# what tsp lists -----------------------------------------------------------------------------------

LISTING = """\
ID   State      Output               E-Level  Times(r/u/s)   Command [run=2/4]
0    running    /tmp/a b/ts-out.2M5srC                         [run0:a b]python main.py
4    running    stdout                                       sh -c a
4 running b
12345 running    /tmp/ts-out.lVcpYU                         [3]&& [x]ls
6    queued     (file)                                       [new
line]ls
7    allocating (file)                                       ls
3    finished   /tmp/ts-out.Jmpd4B   1        0.00/0.00/0.00 ls
8    skipped    (no output)                                  [3]&& ls
"""


def test_each_row_is_a_job_whatever_its_words_hold():
    assert [job.number for job in list_jobs(LISTING)] == "0 4 12345 6 7 3 8".split()
    assert list_jobs(LISTING)[:4] == [
        Job("0", "running", "[run0:a b]python main.py"),
        Job("4", "running", "sh -c a\n4 running b"),
        Job("12345", "running", "[3]&& [x]ls"),
        Job("6", "queued", "[new\nline]ls"),
    ]


@pytest.mark.parametrize(
    ("command", "label", "words"),
    [
        ("ls", "", "ls"),
        ("[run0]ls -l", "run0", "ls -l"),
        ("[3]&& [run0]ls", "run0", "ls"),
        ("[3]&& ls [a]", "", "ls [a]"),
        ("[run0:sizes:[1, 2]]ls", "run0:sizes:[1, 2]", "ls"),
        ("[]ls", "", "ls"),
        ("[a[b]ls", "", "[a[b]ls"),
    ],
)
def test_a_label_ends_where_its_bracket_closes(command, label, words):
    assert split_label(command) == (label, words)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("[my run]python main.py -c out/run3/config.gin all", "my run"),
        ("python main.py -c out/run3:lr:0.1/config.gin all", "run3:lr:0.1"),
        ("python main.py -c a.gin out/b.gin all", "python main.py -c a.gin out/b.gin all"),
        ("[two\nlines\tand tabs]ls", "two lines and tabs"),
    ],
)
def test_a_pane_is_named_after_its_label_or_its_run_folder(command, name):
    assert title(Job("5", "running", command)) == f"5 {name}"


@pytest.mark.parametrize(
    ("program", "package"), [("tsp", "task-spooler"), ("tmux", "tmux")], ids=["tsp", "tmux"]
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path, program, package):
    if program == "tmux":
        (tmp_path / "tsp").touch(mode=0o755)
    command = [sys.executable, "logs.py"]
    answer = subprocess.run(command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True)
    sentence = f"logs.py: {program} is not installed: apt-get install {package}\n"
    assert (answer.returncode, answer.stdout, answer.stderr.decode()) == (1, b"", sentence)


# panes --------------------------------------------------------------------------------------------


@needs_both
def test_sixteen_jobs_are_sixteen_panes_named_by_run(inside):
    global_before = inside.tmux("show-options", "-g"), inside.tmux("show-options", "-g", "-w")
    for number in range(16):
        script = f"echo this is job {number}; exec tail -f /dev/null"
        inside.add("sh", "-c", script, label=f"run{number}:lr:0.{number}")
    assert pipe_to_sh(inside) == ("", "")
    assert titles(inside, window=1) == [f"{n} run{n}:lr:0.{n}" for n in range(16)]
    assert titles(inside, window=0) == [""]
    assert inside.tmux("list-windows", "-F", "#{window_name}")[1:] == ["logs"]
    for number, pane in enumerate(inside.tmux("list-panes", "-F", "#{pane_id}")):
        wait_for_line(inside, pane, f"this is job {number}")
    after = inside.tmux("show-options", "-g"), inside.tmux("show-options", "-g", "-w")
    assert after == global_before


def wait_for_line(spooler, pane, line):
    wait_until(lambda: line in spooler.tmux("capture-pane", "-p", "-t", pane), line)


@needs_both
def test_the_seventeenth_pane_is_in_a_second_window(inside):
    for number in range(17):
        inside.add(*FOR_EVER, label=f"run{number}")
    pipe_to_sh(inside)
    assert len(titles(inside, window=1)) == 16
    assert titles(inside, window=2) == ["16 run16"]


ODD_LABELS = ["it's", 'a "b" c', "$HOME `id` \\n", "#{pane_id} #[fg=red] %d", "semi;", "-x", "é"]


@needs_both
def test_odd_labels_are_shown_as_they_are(inside):
    for label in [*ODD_LABELS, "two\nlines"]:
        inside.add(*FOR_EVER, label=label)
    pipe_to_sh(inside)
    names = [*ODD_LABELS, "two lines"]
    assert titles(inside, window=1) == [f"{number} {name}" for number, name in enumerate(names)]


@needs_both
def test_a_pane_stays_when_its_job_ends(inside):
    job = inside.add(*FOR_EVER, label="run0")
    inside.call("tsp", "-n", *FOR_EVER)  # has no log to follow, and does not tell its number
    inside.ids.append(job + 1)
    pipe_to_sh(inside)
    inside.call("tsp", "-k", job)
    shown = ("list-panes", "-F", "#{@run} #{pane_dead}")
    names = ["0 run0 1", f"{job + 1} tail -f /dev/null 1"]
    wait_until(lambda: inside.tmux(*shown) == names, "both panes to be dead and there")


@needs_both
def test_nothing_running_is_said_and_changes_nothing(inside):
    assert pipe_to_sh(inside) == ("", "no tsp job is running (0 queued)\n")
    inside.call("tsp", "-S", 1)
    inside.ids.append(int(inside.call("tsp", "-N", "2", *FOR_EVER)))
    assert pipe_to_sh(inside) == ("", "no tsp job is running (1 queued)\n")
    assert len(inside.tmux("list-panes", "-a")) == 1


@needs_both
def test_outside_tmux_it_makes_a_session_and_later_adds_a_window(spooler):
    for name in ("run0", "run1"):
        spooler.add(*FOR_EVER, label=name)
    assert pipe_to_sh(spooler) == ("tmux attach -t logs\n", "")
    assert spooler.tmux("list-windows", "-a", "-F", "#{session_name} #{window_name}") == [
        "logs logs"
    ]
    assert pipe_to_sh(spooler) == ("tmux attach -t logs\n", "")
    assert [titles(spooler, window) for window in (0, 1)] == 2 * [["0 run0", "1 run1"]]


@needs_both
def test_outside_tmux_on_a_terminal_it_attaches(spooler):
    spooler.add(*FOR_EVER, label="#{pane_id} #[fg=red]it's")
    terminal, end = pty.openpty()
    command = {"args": "./logs.py | sh", "shell": True, "cwd": ROOT, "env": spooler.environment}
    with subprocess.Popen(**command, stdout=end, stderr=end, start_new_session=True) as process:
        os.close(end)
        os.set_blocking(terminal, False)
        screen = bytearray()

        def shown(text):
            try:
                screen.extend(os.read(terminal, 65536))
            except BlockingIOError:
                return False
            return text in screen

        wait_until(lambda: shown(b" 0 #{pane_id} #[fg=red]it's "), "the name of the pane")
        spooler.tmux("detach-client", "-s", "logs")
        assert process.wait(SECONDS) == 0
    os.close(terminal)
