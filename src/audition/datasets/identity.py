"""The content of a corpus, in plain values that can be compared and stored."""

from audition.datasets.split import Split
from audition.identity import describe, file_state, fingerprint, public_attributes

# attributes of a nussl dataset that say where it is, or that get an entry of their own below
NOT_CONTENT = {
    *("folder", "items", "metadata", "musdb", "stft_params", "post_cache_transforms"),
    *("transform", "sample_rate", "num_channels"),
}


State = list[int] | None  # size and modification time of a file, None where it is missing


def describe_content(corpus: Split, states: list[list[State]] | None = None) -> dict:
    """JSON-able dict of all that shapes the waveforms of `corpus`; paths and dates don't.

    Args:
        states: what `file_states` says, if that is known.
    """
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
        "items": fingerprint([corpus.names, sizes(corpus, states)]),
    }


def sizes(corpus: Split, states: list[list[State]] | None) -> list[int | None]:
    """Size in bytes of each item's first file, the mix; None for an item without files, or without
    that file."""
    if states is None:
        files = map(corpus.described.item_files, corpus.dataset.items)
        states = [[file_state(paths[0])] if paths else [] for paths in files]
    return [of_item[0][0] if of_item and of_item[0] else None for of_item in states]


def file_states(corpus: Split) -> list[list[State]]:
    """For each item, the states of its files.

    This shows that an item is unchanged without reading it. An item without files has [].
    """
    files = map(corpus.described.item_files, corpus.dataset.items)
    return [[file_state(path) for path in dict.fromkeys(paths)] for paths in files]
