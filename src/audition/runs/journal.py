"""What a command says: on the console, and in the run folder's log."""

import contextlib
import datetime
import logging
import sys

from tqdm import tqdm

FORMAT = "%(asctime)s %(levelname)s %(message)s"


class ConsoleHandler(logging.Handler):
    """Prints through tqdm, so that a message never tears a progress bar apart."""

    def emit(self, record):
        tqdm.write(self.format(record))


@contextlib.contextmanager
def journal(run, command):
    """Sends what our modules log to the console and, in a run folder, to `logs/<time>.<command>.log`.

    Args:
        run: Run or None.
        command: name of the command.
    """
    logger = logging.getLogger("audition")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handlers = [ConsoleHandler()]
    if run is not None:
        run.logs.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(run.logs / f"{timestamp()}.{command}.log"))
        handlers[-1].setFormatter(logging.Formatter(FORMAT, "%Y-%m-%d %H:%M:%S"))
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    except BaseException:
        for handler in handlers[1:]:  # the console hears it from main
            record = logger.makeRecord(
                logger.name, logging.ERROR, "", 0, f"{command} ended early", (), sys.exc_info()
            )
            handler.handle(record)
        raise
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()


def timestamp():
    """Sortable, fit for a file name."""
    return datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
