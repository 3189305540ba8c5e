"""What allocate.py stands on: the locks of GPUs, and what NVIDIA's management library says of them.

Python's standard library only, and pynvml where a GPU is asked for, so that it starts in a blink.
"""


class Trouble(Exception):
    """Why allocate.py cannot go on, in one sentence.

    Attributes:
        code: its exit code; 125 is its own trouble, as with `timeout`, `nice` or `docker run`.
    """

    def __init__(self, text, code=125):
        super().__init__(text)
        self.code = code
