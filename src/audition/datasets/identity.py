"""The content of a corpus, in plain values that can be compared and stored."""

import os
from pathlib import Path

from audition.datasets.split import Split
from audition.identity import describe, fingerprint, public_attributes

# attributes of a nussl dataset that say where it is, or that get an entry of their own below
NOT_CONTENT = {
    *("folder", "items", "metadata", "musdb", "stft_params", "post_cache_transforms"),
    *("transform", "sample_rate", "num_channels"),
}


def describe_content(corpus: Split) -> dict:
    """JSON-able dict of all that shapes the waveforms of `corpus`; paths and dates don't."""
    dataset = corpus.dataset
    attributes = public_attributes(dataset).items()
    settings = {key: value for key, value in attributes if key not in NOT_CONTENT}
    return {
        "dataset": type(dataset).__name__,
        "settings": describe(settings),
        "transform": describe(dataset.transform),
        "sample_rate": corpus.sample_rate,
        "num_channels": corpus.num_channels,
        "source_names": corpus.source_names,
        "num_items": len(corpus),
        "items": fingerprint([corpus.names, sizes(corpus)]),
    }


def sizes(corpus: Split) -> list[int | None]:
    """Size in bytes of each item's first file, the mix; None for an item without files."""
    files = map(corpus.described.item_files, corpus.dataset.items)
    return [os.stat(paths[0]).st_size if paths else None for paths in files]


def file_states(corpus: Split) -> list[list[list[int] | None]]:
    """For each item, `[size, time]` of each of its files, or None for a missing file.

    This shows that an item is unchanged without reading it. An item without files has [].
    """
    files = map(corpus.described.item_files, corpus.dataset.items)
    return [[state(path) for path in dict.fromkeys(paths)] for paths in files]


def state(path: Path) -> list[int] | None:
    if not os.path.exists(path):
        return None
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]
