"""The same work by other toolkits, each in an environment of its own: `make bench-peers`.

environments.py    makes the environments, beside .venv, whose torch and NumPy they share
turns.py           processes that take turns, and their processor time
gate.py            the end of a turn, in such a process
contests.py        which sides do what
audition_side.py, asteroid_side.py, …    one file per toolkit: the work, between gates
corpus.py          what they read: made-up speech and songs
"""
