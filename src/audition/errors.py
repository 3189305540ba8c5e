"""The one exception that means: the person at the keyboard can fix this."""


class ConfigError(Exception):
    """A mistake in the command line, a .gin file or the data it points to.

    Its text is one sentence: what is wrong, which binding or file, what to do. `main.py` prints
    that sentence and exits with 2. Any other exception is a crash and shows its traceback.
    """


def sentence(error: BaseException) -> str:
    """The sentence of a ConfigError, without what gin and PyTorch's data workers wrap around it."""
    lines = str(error).strip().splitlines()
    wrapped = [line.split("ConfigError: ", 1)[1] for line in lines if "ConfigError: " in line]
    return wrapped[-1] if wrapped else lines[0]
