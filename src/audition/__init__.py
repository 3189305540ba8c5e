"""Source separation experiments: nouns that a person adds, verbs that a person runs.

The map. A room's name says what to look for there; tests/test_floors.py reads it from here and
fails when a room is missing or an import goes against it. Imports point down.

    verbs    commands/      one module per command of main.py
    nouns    bootstrap/     learning without ground truth: confidence, segments, selection, rounds
             handlers/      what a person adds to a training run
             training/      one training run: state, step, loop, epochs, checkpoints
             reports/       report cards, comparisons, figures, pages to listen to
             separators/    networks, nussl's algorithms, ensembles, other toolkits' models; the loop
             datasets/      corpora, filters, splits, the waveform cache, excerpts, loaders
             features/      from waveforms to what a network and its losses read
             losses/        the loss dictionary and its losses
             metrics/       scores of one track
             mixing/        scenes, mixers, loud regions, remixing on the device
             models/        networks and their blocks
             toy/           rendered speech and music
    world    registry       table of the third-party classes that a .gin file may build
             weights/       model files, which are data: tensors and JSON
             compat/        what nussl and scaper need from today's NumPy, SciPy and torch
             audio/         signals, STFT, reading and writing files, resampling
    ground   runs/          one run folder: paths, status, costs, journal, stored results
             configs/       load, check, sweep, write and re-read gin
             parallel       one loop over many items, in this process or in a pool
             interruption   signals that ask for an end, and the places where it does no harm
             progress       a bar on a terminal, a few lines elsewhere
             device         the device to work on
             optional       packages that only some people need
             process        which process is at work, and whether it still is
             unfinished     temporary files of killed processes, which the next one removes
             files          files written whole or not at all, folders that say what they hold
             checksums      of what a checkpoint holds, at the speed of memory
             code           the code that a result depends on: a hash of each of our modules
             identity       what a thing is: the keys of caches and results
             errors         the one error that the user can fix

A noun imports another only along one of these arrows:

    handlers   → training
    training   → datasets, losses, features, models
    separators → features
    bootstrap  → separators, datasets, metrics, reports
    reports    → metrics, separators, datasets, training

To add a model, loss, dataset, features, handler, metric or separator, write one class in its room,
or in a file of your own that a .gin file imports. To add a command, write one module in commands/
with a function of the same name, and add a line to the table there that says what main.py passes to
it. Only `pipelines` and `bootstrap` call other commands.

Importing `audition` is cheap: it only registers the hook that patches nussl once nussl is imported.
"""

from audition import compat

compat.install()
