"""What allocate.py stands on: locks of GPUs, and what NVIDIA's management library says of them.

It uses only Python's standard library, plus pynvml if a GPU is asked for, so that it starts fast.
"""


class Trouble(Exception):
    """Why allocate.py cannot go on, in one sentence.

    Attributes:
        code: exit code; 125 is allocate.py's own trouble, as with `timeout`, `nice` or `docker
            run`.
    """

    def __init__(self, text: str, code: int = 125):
        super().__init__(text)
        self.code = code
