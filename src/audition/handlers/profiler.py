"""Where the time of an iteration goes."""

import logging
import tempfile
from pathlib import Path

import gin
from ignite.engine import Events
from torch.profiler import profile, schedule

from audition.errors import ConfigError
from audition.files import write_and_rename
from audition.training.state import Training, only_watches

log = logging.getLogger(__name__)
NUM_OPERATIONS = 10  # that take the most time, in the log


@gin.register
@only_watches
def add_profiler(training: Training, first_iteration: int = 10, num_iterations: int = 3) -> None:
    """Records every operation of a few iterations with torch.profiler, on CPU and GPU.

    Writes `logs/trace.json.gz`, which https://ui.perfetto.dev and chrome://tracing open, and logs the
    operations that took the most time.

    Args:
        first_iteration: of those since this process took up the training, counted from 1; the first
            ones are slower than all others. The one before warms up the profiler.
        num_iterations: how many; each takes a few megabytes, and some hundred for large networks.

    Raises:
        ConfigError: `first_iteration` is not at least 2, or `num_iterations` not at least 1.
    """
    if first_iteration < 2 or num_iterations < 1:
        raise ConfigError(
            f"add_profiler.first_iteration = {first_iteration} must be at least 2, and "
            f"num_iterations = {num_iterations} at least 1."
        )
    plan = schedule(
        skip_first=first_iteration - 2, wait=0, warmup=1, active=num_iterations, repeat=1
    )
    path = training.run.trace

    def start(engine):
        profiler = profile(schedule=plan, on_trace_ready=lambda done: write(done, path))
        training.exits.enter_context(profiler)
        engine.add_event_handler(Events.ITERATION_COMPLETED, profiler.step)

    training.trainer.add_event_handler(Events.STARTED, start)


def write(profiler: profile, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        profiler.export_chrome_trace(str(Path(folder, path.name)))
        with write_and_rename(path, "wb") as file:
            file.write(Path(folder, path.name).read_bytes())
    operations = profiler.key_averages()
    key = "self_cpu_time_total" if profiler.use_device is None else "self_device_time_total"
    table = operations.table(sort_by=key, row_limit=NUM_OPERATIONS, max_name_column_width=40)
    log.info("Where the time went (%s):\n%s", path, table)
