"""What a command says, on the console and in the run folder's log."""

import contextlib
import datetime
import logging
import sys
from collections.abc import Iterator

from tqdm import tqdm

from audition.interruption import Interrupted
from audition.runs.folder import Run

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class ConsoleHandler(logging.Handler):
    """Prints through tqdm, so that messages don't break a progress bar apart."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record))


class LogFile(logging.FileHandler):
    """Leaves out what a full disk doesn't take, as the console has it too."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def journal(run: Run | None, command: str) -> Iterator[None]:
    """Sends what our modules log to the console and, for a run, to `logs/<time>.<command>.log`.

    Args:
        run: the run that the command works on, if any.
        command: its name.
    """
    logger = logging.getLogger("audition")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handlers = [ConsoleHandler()]
    if run is not None:
        run.logs.mkdir(parents=True, exist_ok=True)
        handlers.append(LogFile(run.logs / f"{timestamp()}.{command}.log"))
        handlers[-1].setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    except BaseException as error:
        told = (f"{command} {error}", (), None)
        if not isinstance(error, Interrupted):
            told = (f"{command} ended early", (), sys.exc_info())
        for handler in handlers[1:]:  # main.py prints it on the console
            handler.handle(logger.makeRecord(logger.name, logging.ERROR, "", 0, *told))
        raise
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def timestamp() -> str:
    """The time of day and date, sortable and fit for a file name."""
    return datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
