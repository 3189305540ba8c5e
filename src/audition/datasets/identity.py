"""What a corpus is made of, in plain values that can be compared and stored."""

import os

from audition.identity import describe, fingerprint, public_attributes

# attributes of a nussl dataset that say where it lies, or what stands in an entry of its own
NOT_CONTENT = {
    *("folder", "items", "metadata", "musdb", "stft_params", "post_cache_transforms"),
    *("transform", "sample_rate", "num_channels"),
}


def describe_content(corpus):
    """dict, JSON-able, of all that shapes the waveforms of `corpus`, and of no path or date."""
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


def sizes(corpus):
    """Bytes of each item's first file, that of its mix; None where it has no file."""
    files = map(corpus.described.item_files, corpus.dataset.items)
    return [os.stat(paths[0]).st_size if paths else None for paths in files]


def file_states(corpus):
    """Of each item, `[size, time]` of each of its files, None for one that is missing; [] for an item
    that has no files. They tell that an item is unchanged without reading it."""
    files = map(corpus.described.item_files, corpus.dataset.items)
    return [[state(path) for path in dict.fromkeys(paths)] for paths in files]


def state(path):
    if not os.path.exists(path):
        return None
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]
