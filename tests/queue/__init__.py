"""Tests of the queue: allocate.py, logs.py, run.sh, on pretended GPUs and a queue of their own."""
