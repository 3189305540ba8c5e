"""What a corpus is made of, in plain values that can be compared and stored."""

from audition.datasets.filters import audio_paths, mix_path
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
        "items": fingerprint([corpus.names, sizes(dataset)]),
    }


def sizes(dataset):
    """Bytes of each item's mixture file; None where it has no file."""
    paths = (mix_path(dataset, item) for item in dataset.items)
    return [None if path is None else path.stat().st_size for path in paths]


def file_states(dataset):
    """Of each item, `[size, time]` of each of its files, None for one that is missing; [] for an item
    that has no files. They tell that an item is unchanged without reading it."""
    return [[state(path) for path in audio_paths(dataset, item)] for item in dataset.items]


def state(path):
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else None
