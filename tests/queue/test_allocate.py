"""allocate.py with either pynvml, on a machine whose NVML is compiled from fake_nvml.c."""

import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import allocate
from gpus import Trouble
from gpus.locks import lock, lockers
from gpus.nvml import Gpu, visible
from tests.queue.fake_gpus import (
    BINDINGS,
    HOLD,
    ROOT,
    FakeMachine,
    Launch,
    compile_c,
    installed_bindings,
    wait_until,
)
from tests.queue.spooler import Spooler, needs_tsp
from tests.queue.stress_allocate import stress

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as a second user")


@pytest.fixture(params=BINDINGS)
def binding(request):
    folder = BINDINGS[request.param]
    if request.param not in installed_bindings():
        missing = f"pip install --no-deps --target {folder} {request.param}; make test does it"
        assert "CI" not in os.environ, missing
        pytest.skip(missing)
    return request.param


@pytest.fixture
def machine(binding, tmp_path):
    """A machine with two free GPUs."""
    machine = FakeMachine(tmp_path, num_gpus=2)
    machine.use_binding(binding)
    yield machine
    machine.close()


@pytest.fixture
def plain_machine(tmp_path):
    """The same, where NVML does not matter: with nvidia-ml-py3 only."""
    machine = FakeMachine(tmp_path, num_gpus=2)
    yield machine
    machine.close()


def waiting_in_line(machine):
    """How many stand at the lock `turn`: the one who looks at the GPUs and those behind."""
    return len(lockers(machine.folder / "leases/turn"))


def test_the_bindings_are_the_two_that_they_are_called(machine, binding):
    code = "import pynvml; print(hasattr(pynvml, 'nvmlMemory_v2'))"
    python = [sys.executable, "-c", code]
    out = subprocess.run(python, env=machine.inherited(), capture_output=True, text=True).stdout
    assert out.strip() == str(binding == "nvidia-ml-py")


# what counts as free ------------------------------------------------------------------------------


def test_list_tells_of_each_gpu_and_who_waits(machine):
    assert not machine.run("--list")[2]
    holder = machine.launch(1, *HOLD)
    assert holder.out() == "0"
    machine.add(f"process 1 {os.getpid()}")
    waiter = machine.launch(2, *HOLD)
    assert waiter.says().startswith("waiting for 2 GPUs: ")
    code, out, error = machine.run("--list")
    lines = out.splitlines()
    leased = rf"0 GPU-0000-aaaa is leased by pid {holder.pid} \(uid {os.getuid()}: cat\)"
    assert re.fullmatch(leased, lines[0])
    used = rf"1 GPU-0001-aaaa is (used|leased) by pid ({os.getpid()}|{waiter.pid}) \(uid .*\)"
    assert re.fullmatch(used, lines[1])
    assert (code, lines[2:], error) == (0, ["1 waiting"], "")


@pytest.mark.parametrize(
    ("held", "told"), [([True, False], "free"), ([True] * 9, "is leased"), ([False], "free")]
)
def test_a_lease_that_is_gone_at_the_second_look_is_none(monkeypatch, tmp_path, held, told):
    """A job that waits holds one for a moment while it looks whether the GPU is free."""
    looks = iter(held)
    monkeypatch.setattr(allocate, "is_held", lambda path: next(looks))
    nvml = SimpleNamespace(why_busy=lambda gpu: "")
    assert allocate.state_of(nvml, None, tmp_path / "lease") == told


def test_list_of_an_idle_machine_makes_nothing(machine):
    out = "0 GPU-0000-aaaa free\n1 GPU-0001-aaaa free\n0 waiting\n"
    assert machine.run("--list") == (0, out, "")
    assert not (machine.folder / "leases").exists()


def test_gpus_are_numbered_by_pci_address(machine):
    machine.change(0, bus="00000000:C1:00.0")
    _, out, _ = machine.run("--list")
    assert out.splitlines()[:2] == ["0 GPU-0001-aaaa free", "1 GPU-0000-aaaa free"]
    code, out, _ = machine.run(1, "env")
    assert code == 0
    assert {"CUDA_VISIBLE_DEVICES=0", "CUDA_DEVICE_ORDER=PCI_BUS_ID"} < set(out.splitlines())


def test_a_process_of_someone_else_comes_and_goes(machine):
    machine.add("process 0 999999999")
    machine.add(f"process 1 {os.getpid()}")
    job = machine.launch(1, *HOLD)
    told = job.says()
    assert told.startswith("waiting for 1 GPU: GPU 0 is used by pid 999999999; GPU 1 is used by")
    assert f"pid {os.getpid()} (uid {os.getuid()}: " in told
    machine.remove(f"process 1 {os.getpid()}")
    assert job.out() == "1"
    assert job.says() == "CUDA_VISIBLE_DEVICES=1"


def test_many_processes_on_one_gpu(machine):
    for pid in range(900000000, 900000200):
        machine.facts.add(f"process 0 {pid}")
    machine.write()
    assert machine.run(1, "env")[1].count("CUDA_VISIBLE_DEVICES=1\n") == 1


def test_memory_that_no_process_owns_keeps_a_gpu_from_being_free(machine):
    machine.change(0, used=12000)
    job = machine.launch(2, *HOLD)
    assert (
        job.says() == "waiting for 2 GPUs: GPU 0 has 12000 MiB in use by no process seen from here"
    )
    machine.change(0, used=8)
    assert job.out() == "0,1"


@pytest.mark.parametrize(
    ("error", "used", "reserved", "free"),
    [
        ("", 1024, 3000, True),
        ("", 1025, 0, False),
        ("error nvmlDeviceGetMemoryInfo_v2 13", 1024, 1024, True),
        ("error nvmlDeviceGetMemoryInfo_v2 25", 1025, 1024, False),
    ],
)
def test_what_the_driver_keeps_is_not_memory_in_use(machine, error, used, reserved, free):
    machine.add(error)
    machine.change(0, used=used, reserved=reserved)
    assert ("0 GPU-0000-aaaa free" in machine.run("--list")[1]) == free


def test_a_prohibited_gpu_is_left_alone(machine):
    machine.change(0, mode=2)
    assert "GPU-0000-aaaa is in compute mode 'prohibited'\n" in machine.run("--list")[1]
    assert "CUDA_VISIBLE_DEVICES=1\n" in machine.run(1, "env")[1]


def test_a_split_gpu_is_left_alone_and_the_answer_is_a_uuid(machine):
    machine.change(0, mig=1)
    machine.change(1, mig=0)
    assert "GPU-0000-aaaa is split into MIG instances\n" in machine.run("--list")[1]
    assert "CUDA_VISIBLE_DEVICES=GPU-0001-aaaa\n" in machine.run(1, "env")[1]


@pytest.mark.parametrize(
    "fact",
    ["error nvmlDeviceGetMemoryInfo_v2 15", "error nvmlDeviceGetComputeRunningProcesses 15"],
)
def test_a_gpu_that_stops_answering_is_not_free(machine, fact):
    machine.add(fact)
    code, out, error = machine.run("--timeout", 0.1, 2, "env")
    assert (code, out) == (124, "")
    for number in (0, 1):
        assert f"GPU {number} does not answer (GPU is lost)" in error


def test_a_gpu_that_cannot_be_read_is_not_free_and_the_answer_is_a_uuid(machine):
    machine.add("lost 0")
    assert "0 ? does not answer (GPU is lost)\n" in machine.run("--list")[1]
    assert "CUDA_VISIBLE_DEVICES=GPU-0001-aaaa\n" in machine.run(1, "env")[1]
    code, _, error = machine.run("--timeout", 0.1, 2, "env")
    assert (code, error.count("GPU 0 does not answer (GPU is lost)")) == (124, 1)


def test_where_processes_are_not_told_the_memory_decides(machine):
    machine.add("error nvmlDeviceGetComputeRunningProcesses 3")
    machine.change(0, used=5000)
    assert "CUDA_VISIBLE_DEVICES=1\n" in machine.run(1, "env")[1]


# CUDA_VISIBLE_DEVICES that is already there -------------------------------------------------------


@pytest.mark.parametrize(
    ("mask", "places"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("1", [1]),
        ("2, 0", [2, 0]),
        ("0,7,1", [0]),
        ("-1,0", []),
        ("1,-1,2", [1]),
        ("1,1", []),
        ("GPU-cc", [2]),
        ("GPU-ab1,GPU-cc", [0, 2]),
        ("GPU-ab,GPU-cc", []),
        ("MIG-ab1", []),
        ("banana", []),
    ],
)
def test_a_mask_is_read_as_cuda_reads_it(mask, places):
    gpus = [Gpu(uuid, None, None, "") for uuid in ("GPU-ab1", "GPU-ab2", "GPU-cc")]
    assert visible(gpus, mask) == places


@pytest.mark.parametrize(
    ("mask", "answer"), [("1", "1"), ("1,0", "1"), ("GPU-0001,GPU-0000", "GPU-0001-aaaa")]
)
def test_a_mask_limits_the_choice_and_is_answered_in_kind(machine, mask, answer):
    out = machine.run(1, "env", CUDA_VISIBLE_DEVICES=mask)[1]
    assert f"CUDA_VISIBLE_DEVICES={answer}\n" in out


@pytest.mark.parametrize(
    ("num_gpus", "mask", "sentence"),
    [
        (4, None, "asked for 4 GPUs, but this machine has 2"),
        (1, "", "asked for 1 GPU, but this machine has 2 and CUDA_VISIBLE_DEVICES='' leaves 0"),
        (2, "1", "asked for 2 GPUs, but this machine has 2 and CUDA_VISIBLE_DEVICES='1' leaves 1"),
    ],
)
def test_more_than_there_are_is_refused_at_once(machine, num_gpus, mask, sentence):
    variables = {} if mask is None else {"CUDA_VISIBLE_DEVICES": mask}
    answer = machine.run(num_gpus, "env", **variables)
    assert answer == (125, "", f"allocate: {sentence}\n")


def test_a_fifo_in_the_lease_folder_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "turn")
    for wait in (False, True):
        with pytest.raises(Trouble, match="turn is no plain file: remove it"):
            lock(tmp_path / "turn", wait)


def test_a_fifo_does_not_outlast_the_timeout(plain_machine):
    folder = plain_machine.folder / "leases"
    folder.mkdir()
    os.mkfifo(folder / "turn")
    code, _, error = plain_machine.run("--timeout", 1, 1, "env")
    assert code == 125 and "turn is no plain file" in error


def test_a_number_of_thousands_of_digits_is_no_number_of_gpus():
    with pytest.raises(Trouble, match="give a number of GPUs and a command"):
        allocate.parse(["9" * 5000, "true"])


# no GPUs ------------------------------------------------------------------------------------------


def test_no_gpu_needs_no_driver_and_no_pynvml(plain_machine):
    job = plain_machine.launch(0, *HOLD, python=(sys.executable, "-S"), LD_LIBRARY_PATH="")
    assert job.out() == ""
    assert job.end() == 0
    assert job.process.stderr.read() == b""
    assert not (plain_machine.folder / "leases").exists()


def test_without_pynvml_the_sentence_says_how_to_get_it(plain_machine):
    job = plain_machine.launch(1, *HOLD, python=(sys.executable, "-S"))
    remedy = f"{sys.executable} -m pip install nvidia-ml-py3"
    assert job.says() == f"pynvml, which sees the GPUs, is not installed: {remedy}"
    assert job.end() == 125


def test_without_a_driver_the_sentence_says_what_to_do(machine):
    sentence = "no usable NVIDIA driver on this machine ({}); {}"
    cpu = "to run on the CPU ask for 0 GPUs"
    for variables, reason in (
        ({"LD_LIBRARY_PATH": ""}, "NVML Shared Library Not Found"),
        ({"FAKE_NVML": "/nowhere"}, "Driver Not Loaded"),
    ):
        code, _, error = machine.run(1, "env", **variables)
        assert (code, error) == (125, f"allocate: {sentence.format(reason, cpu)}\n")
    machine.add("error nvmlInit 18")
    code, _, error = machine.run("--list")
    assert (code, error.count("the driver was updated, so reboot")) == (125, 1)


# leases -------------------------------------------------------------------------------------------


def test_two_that_start_together_never_share(machine):
    jobs = [machine.launch(1, *HOLD) for _ in range(2)]
    assert sorted(job.out() for job in jobs) == ["0", "1"]
    third = machine.launch(1, *HOLD)
    told = third.says()
    assert told.startswith(f"waiting for 1 GPU: GPU 0 is leased by pid {jobs[0].pid} (uid") or (
        told.startswith(f"waiting for 1 GPU: GPU 0 is leased by pid {jobs[1].pid} (uid")
    )
    assert jobs[1].end() == 0
    assert third.out() in ("0", "1")
    assert third.end() == 0


def test_kill_9_of_a_job_frees_its_gpu(plain_machine):
    job = plain_machine.launch(2, *HOLD)
    assert job.out() == "0,1"
    waiter = plain_machine.launch(2, *HOLD)
    assert waiter.says().startswith("waiting")
    assert job.kill() == -signal.SIGKILL
    assert waiter.out() == "0,1"


def test_kill_9_of_those_who_wait_keeps_nobody(plain_machine):
    job = plain_machine.launch(2, *HOLD)
    assert job.out() == "0,1"
    first, second, third = (queue(plain_machine, place) for place in (1, 2, 3))
    assert first.kill() == -signal.SIGKILL
    assert second.says().startswith("waiting for 1 GPU: GPU 0 is leased by")
    assert second.kill() == -signal.SIGKILL
    assert third.says().startswith("waiting for 1 GPU: GPU 0 is leased by")
    assert job.end() == 0
    assert third.out() == "0"


def test_with_share_one_puts_two_jobs_on_ones_own_gpu(plain_machine):
    first = plain_machine.launch(2, *HOLD)
    assert first.out() == "0,1"
    for gpu in (0, 1):
        plain_machine.add(f"process {gpu} {first.pid}")
        plain_machine.change(gpu, used=40000)  # MiB of 81920
    second = plain_machine.launch("--share", 0.9, 1, *HOLD)
    assert second.out() == "0"
    full = plain_machine.launch("--share", 0.4, "--timeout", 0, 1, *HOLD)
    assert "GPU 0 is used by pid" in full.says()


def test_who_does_not_share_waits_until_the_last_sharer_is_gone(plain_machine):
    first = plain_machine.launch("--share", 0.9, 2, *HOLD)
    assert first.out() == "0,1"
    second = plain_machine.launch("--share", 0.9, 2, *HOLD)
    assert second.out() == "0,1"
    assert first.end() == 0
    exclusive = plain_machine.launch(2, *HOLD)
    assert f"GPU 0 is leased by pid {second.pid}" in exclusive.says()
    assert f"0 GPU-0000-aaaa is leased by pid {second.pid}" in plain_machine.run("--list")[1]
    assert second.kill() == -signal.SIGKILL
    assert exclusive.out() == "0,1"


def test_nobody_shares_the_gpu_of_a_process_that_is_not_theirs(plain_machine):
    plain_machine.add("process 0 999999999")
    plain_machine.add("process 1 999999999")
    code, _, error = plain_machine.run("--share", 1, "--timeout", 0, 1, "env")
    assert code == 124 and "GPU 0 is used by pid 999999999" in error


@pytest.mark.parametrize("share", ["0", "1.1", "much", ""])
def test_a_share_that_is_none_is_told(plain_machine, share):
    code, _, error = plain_machine.run("--share", share, 1, "env")
    assert (code, error.count("--share is a share of a GPU's memory, above 0")) == (125, 1)


def queue(machine, place, num_gpus=1):
    """A waiter that stands at `place` in the line before the next one comes."""
    waiter = machine.launch(num_gpus, *HOLD)
    told = waiter.says()
    if place > 1:
        assert told == f"waiting for {num_gpus} GPU{'s' * (num_gpus > 1)}; {place - 1} before us"
    wait_until(lambda: waiting_in_line(machine) == place, f"place {place} in the line")
    return waiter


def test_a_large_job_is_not_overtaken(plain_machine):
    job = plain_machine.launch(1, *HOLD)
    assert job.out() == "0"
    large = queue(plain_machine, place=1, num_gpus=2)
    small = queue(plain_machine, place=2)
    assert job.end() == 0
    assert large.out() == "0,1"
    assert small.says().startswith("waiting for 1 GPU: GPU 0 is leased by")
    assert large.end() == 0
    assert small.out() == "0"


def test_what_a_job_leaves_running_keeps_the_lease_and_is_named(plain_machine):
    job = plain_machine.launch(
        1, "sh", "-c", "tail -f /dev/null >/dev/null 2>&1 & echo $!; exec cat"
    )
    pid = int(job.out())
    try:
        assert job.end() == 0
        assert f"0 GPU-0000-aaaa is leased by pid {pid} (uid" in plain_machine.run("--list")[1]
        assert "CUDA_VISIBLE_DEVICES=1\n" in plain_machine.run(1, "env")[1]
    finally:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "leased" not in plain_machine.run("--list")[1], "the lease to end")


def test_a_lock_file_that_was_cleaned_away_is_made_anew(plain_machine):
    turn = plain_machine.folder / "leases/turn"
    turn.parent.mkdir()
    cleaned = lock(turn)
    waiter = plain_machine.launch(1, *HOLD)
    assert waiter.says() == "waiting for 1 GPU; 1 before us"
    wait_until(lambda: waiting_in_line(plain_machine) == 2, "the waiter to sleep")
    turn.unlink()
    fresh = lock(turn)
    os.close(cleaned)
    wait_until(lambda: waiting_in_line(plain_machine) == 2, "the waiter to find the new file")
    os.close(fresh)
    assert waiter.out() == "0"


def test_a_bad_lock_folder_is_one_sentence(plain_machine):
    remedy = "set GPU_LEASE_DIR to a local folder that all users of the GPUs may write to\n"
    file = plain_machine.folder / "world"
    for folder, what in (
        ("/nowhere/at/all", "cannot make /nowhere/at/all (No such file or directory)"),
        (str(file), f"{file} is not a folder that you may write to"),
    ):
        answer = plain_machine.run(1, "env", GPU_LEASE_DIR=folder)
        assert answer == (125, "", f"allocate: {what}; {remedy}")
    (plain_machine.folder / "leases").mkdir()
    (plain_machine.folder / "leases/turn").symlink_to("/etc/passwd")
    code, _, error = plain_machine.run(1, "env")
    assert (code, "cannot open the lock" in error) == (125, True)


AS_USER = """import os, sys, pynvml, allocate
os.umask(0o077)
os.setgroups([])
os.setgid({user})
os.setuid({user})
sys.exit(allocate.main(sys.argv[1:]))"""


@needs_root
@pytest.mark.parametrize("users", [(65534, 0), (0, 65534)], ids=["root second", "root first"])
def test_users_exclude_each_other_whatever_their_umask(users):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        machine = FakeMachine(folder, num_gpus=1)
        first = launch_as(users[0], machine)
        assert first.out() == "0"
        second = launch_as(users[1], machine)
        assert f"GPU 0 is leased by pid {first.pid} (uid {users[0]}: cat)" in second.says()
        assert first.end() == 0
        assert second.out() == "0"
        assert second.end() == 0
        machine.close()


def launch_as(user, machine):
    """Imports as root, who may read Python's own files, and goes on as the user."""
    command = [sys.executable, "-c", AS_USER.format(user=user), "1", *HOLD]
    machine.launches.append(launch := Launch(command, machine.inherited(), cwd=ROOT))
    return launch


# the command --------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_gpus", [0, 1])
def test_the_command_gets_its_words_as_they_are(plain_machine, num_gpus):
    words = [
        "two words",
        "",
        "'",
        '"',
        "$HOME",
        "a\nb",
        "*",
        "--timeout",
        "3",
        "--list",
        "-h",
        "\\",
    ]
    code, out, _ = plain_machine.run(num_gpus, "printf", r"%s\0", *words)
    assert (code, out.split("\0")[:-1]) == (0, words)


@pytest.mark.parametrize("code", [0, 3, 41])
def test_the_exit_code_is_the_command_s(plain_machine, code):
    assert plain_machine.run(1, "sh", "-c", f"exit {code}")[0] == code


def test_the_command_is_the_process_that_was_started(plain_machine):
    job = plain_machine.launch(1, "sh", "-c", "echo $$; exec cat")
    assert job.out() == str(job.pid)
    assert job.kill(signal.SIGTERM) == -signal.SIGTERM


def test_the_command_gets_the_signals_that_any_program_gets(plain_machine):
    show = ("grep", "-E", "Sig(Ign|Blk|Cgt)", "/proc/self/status")
    plain = subprocess.run(show, capture_output=True, text=True).stdout
    assert plain_machine.run("--timeout", 60, 1, *show)[1] == plain


def test_a_signal_ends_the_wait(plain_machine):
    job = plain_machine.launch(2, *HOLD)
    assert job.out() == "0,1"
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        for place in (1, 2):
            waiter = queue(plain_machine, place)
            if place == 1:
                other = waiter
        assert 128 - waiter.kill(number) == 128 - other.kill(number) == code
        assert waiter.process.stderr.read() == other.process.stderr.read() == b""


def test_timeout_while_looking_and_in_the_line(plain_machine):
    job = plain_machine.launch(2, *HOLD)
    assert job.out() == "0,1"
    looking = queue(plain_machine, place=1)
    in_line = plain_machine.run("--timeout", 0.1, 1, "env")
    gave_up = "allocate: did not get 1 GPU in 0.1 s\n"
    assert in_line == (124, "", f"allocate: waiting for 1 GPU; 1 before us\n{gave_up}")
    looking.kill()
    code, out, error = plain_machine.run("--timeout", 0.1, 1, "env")
    assert (code, out, error.splitlines(keepends=True)[1:]) == (124, "", [gave_up])


def test_timeout_0_takes_what_is_free_now(plain_machine):
    job = plain_machine.launch("--timeout", 0, 2, *HOLD)
    assert job.out() == "0,1"
    assert plain_machine.run("--timeout", 0, 1, "env")[0] == 124
    assert job.end() == 0


@pytest.mark.parametrize(
    "words",
    [(), (1,), ("one", "env"), (-1, "env"), ("--timeout", 1, "env"), ("--timeout",), ("--list", 1)],
)
def test_a_wrong_command_line_shows_the_right_one(plain_machine, words):
    code, _, error = plain_machine.run(*words)
    assert code == 125
    assert error.startswith("allocate: ")
    if "--timeout" not in words[:1] or len(words) == 3:
        assert "usage: ./allocate.py [--timeout SECONDS] [--share SHARE] N COMMAND..." in error


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_seconds_are_checked(plain_machine, text):
    sentence = f"is a number of seconds, not {text!r}\n"
    answer = plain_machine.run("--timeout", text, 1, "env")
    assert answer == (125, "", f"allocate: --timeout {sentence}")
    answer = plain_machine.run(1, "env", GPU_LEASE_POLL=text)
    assert answer == (125, "", f"allocate: GPU_LEASE_POLL {sentence}")


def test_help_tells_the_exit_codes(plain_machine):
    code, out, _ = plain_machine.run("--help")
    assert (code, "124 not within --timeout" in out) == (0, True)


def test_a_command_that_cannot_run_is_refused_before_the_wait(plain_machine):
    job = plain_machine.launch(2, *HOLD)
    assert job.out() == "0,1"
    script = plain_machine.folder / "script"
    script.touch(mode=0o644)
    answer = plain_machine.run(1, "no-such-program")
    assert answer == (127, "", "allocate: no-such-program: command not found\n")
    answer = plain_machine.run(1, script)
    assert answer == (126, "", f"allocate: {script} may not be executed\n")


def test_a_file_that_is_no_program(plain_machine):
    script = plain_machine.folder / "script"
    script.write_text("neither ELF nor #!")
    script.chmod(0o755)
    answer = plain_machine.run(0, script)
    assert answer == (126, "", f"allocate: {script}: Exec format error\n")


# start and stress ---------------------------------------------------------------------------------


def test_starts_in_a_blink(machine):
    """Seconds of CPU time: those of the clock depend on who else uses the machine."""
    took = []
    for _ in range(5):
        before = cpu_seconds_of_children()
        assert machine.run(1, "true")[0] == 0
        took.append(cpu_seconds_of_children() - before)
    assert min(took) < 0.2


def cpu_seconds_of_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_imports_nothing_of_src(plain_machine):
    job = plain_machine.launch(1, "true", python=(sys.executable, "-X", "importtime"))
    _, error = job.process.communicate()
    modules = {line.split("|")[-1].strip().split(".")[0] for line in error.decode().splitlines()}
    assert {"gpus", "pynvml"} < modules
    assert not modules & {"src", "torch", "numpy", "gin"}


def test_the_auditor_finds_two_on_one_gpu(tmp_path):
    job = compile_c("audit_job.c", tmp_path / "audit_job")
    log = tmp_path / "log"
    own = {"AUDIT_NAME": str(tmp_path), "AUDIT_LOG": str(log), "CUDA_VISIBLE_DEVICES": "0,1"}
    with subprocess.Popen([job, "60000", "0"], env=own) as first:
        wait_until(log.exists, "the first job")
        second = subprocess.run([job, "0", "0"], env={**own, "CUDA_VISIBLE_DEVICES": "1"})
        first.kill()
    assert second.returncode == 99
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["start", "double"]


def test_stress(tmp_path):
    figures = stress(tmp_path, num_launches=70, bindings=installed_bindings())
    assert (figures.doubles, figures.lost, figures.wrong_codes) == (0, 0, 0)
    assert figures.killed_waiting and figures.killed_running and figures.finished


# in the queue -------------------------------------------------------------------------------------

COUNT_SIGTERM = """import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
second = signal.sigtimedwait([signal.SIGTERM], 0.5)
sys.exit(40 if second else 41)"""


@pytest.fixture
def spooler(plain_machine):
    """A tsp of three slots on a machine with two GPUs."""
    spooler = Spooler(num_slots=3, **plain_machine.environment)
    yield spooler
    spooler.close()


def allocated(*words):
    return sys.executable, str(ROOT / "allocate.py"), "1", *words


@needs_tsp
def test_tsp_sees_the_exit_code_of_the_job(spooler):
    codes = {spooler.add(*allocated("sh", "-c", f"exit {code}")): code for code in (0, 3, 0, 41, 7)}
    assert {job: spooler.exit_code(job) for job in codes} == codes


@needs_tsp
def test_tsp_k_is_one_sigterm_for_the_job(spooler):
    job = spooler.add(*allocated(sys.executable, "-c", COUNT_SIGTERM))
    wait_until(lambda: "ready" in spooler.output_so_far(job), "the job to start")
    spooler.call("tsp", "-k", job)
    assert spooler.exit_code(job) == 41


@needs_tsp
def test_more_slots_than_gpus_do_not_share_them(spooler):
    jobs = [spooler.add(*allocated("sh", "-c", "echo runs; exec tail -f /dev/null")) for _ in "123"]

    def those_that(say):
        return [job for job in jobs if say in spooler.output_so_far(job)]

    wait_until(lambda: len(those_that("GPU 1 is leased by pid")) == 1, "one to wait")
    first, second = those_that("\nruns\n")
    spooler.call("tsp", "-k", first)
    wait_until(lambda: len(those_that("\nruns\n")) == 3, "the third to run")
    pids = {spooler.pid(job) for job in jobs if job != first}
    leases = [Path(spooler.environment["GPU_LEASE_DIR"], f"GPU-000{n}-aaaa") for n in (0, 1)]
    assert {pid for path in leases for pid, _ in lockers(path)} == pids
