"""A split's waveforms in one memory-mapped file, packed once and shared by all runs.

A cache is a folder, `<cache_root>/<key>/<split>`, of four files: `waveforms.bin`, `index.bin` (where
each item is), `states.bin` (size and time of every file it was made from) and `manifest.json` (what it
was made from, and checksums). The key is made of all that shapes the content: dataset, settings, names
and file sizes of the items. So one cache root serves any number of tasks and data sets. Paths and
dates are no part of the key, so a corpus can be moved or copied: where only times differ, the audio is
compared. A cache is filled under another name and renamed at the end, so a folder with the cache's own
name is always complete.

A fifth file, `readers.txt`, says which runs have read the cache. Earlier versions left no checksums and
no states, and put the cache in `<cache_root>/<split>`; where that fits, it is still read.
"""

from audition.datasets.waveform_cache.defects import Inspection, defects
from audition.datasets.waveform_cache.filling import fill
from audition.datasets.waveform_cache.places import home, size_of
from audition.datasets.waveform_cache.reading import WaveformCache, open

__all__ = ["Inspection", "WaveformCache", "defects", "fill", "home", "open", "size_of"]
