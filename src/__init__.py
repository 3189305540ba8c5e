"""Source separation experiments: nouns that a person adds, verbs that a person runs.

Imports point down only, and tests/test_floors.py keeps it so:

    floor 3  commands/   verbs: one module per command of main.py; none imports another, save pipelines
    floor 2  models/ losses features datasets/ handlers/ separators/ metrics/ checkpoints
                         pages/ (what a browser shows)
                         nouns: none imports another, save handlers -> checkpoints
    floor 1  compat/ registry spectral ...
                         the outside world: nussl on today's stack, what a .gin file may name
    floor 0  errors configs runs files parallel journal passports
                         no torch, no nussl: starts in a blink

To add a model, loss, dataset, handler, metric or separator: one class in its noun, or a file of your
own that a .gin file imports. To add a command: one module in commands/ with a function of its name.

Importing `src` costs nothing: it registers the hook that patches nussl when nussl is imported.
"""

from src import compat

compat.install()
