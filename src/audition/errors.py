"""The one exception that means: the person at the keyboard can fix this."""

import errno
import re

OF_THE_SYSTEM = {  # what a disk, a folder or its rights can be at fault for, and not this code
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE, errno.ESTALE),
    *(errno.EEXIST, errno.EISDIR, errno.ELOOP),  # something else has the name of a file or folder
}


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


def fault_of_the_system(error: OSError) -> str | None:
    """A sentence about a full or failing disk, or a folder that may not be written; None if the
    error is of another kind. Reads the text, as gin's copy of an error has nothing else."""
    found = re.match(r"\[Errno (\d+)\] (.*)", str(error).strip())
    if found is None or int(found[1]) not in OF_THE_SYSTEM:
        return None
    return (
        f"{found[2]}: what was there before is as it was; make room or mend that, and run the "
        "same command again."
    )
