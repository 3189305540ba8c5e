"""Training mixtures: scenes, mixers that draw them, loud regions to draw from, remixing on the device."""

from audition.mixing import loud_regions, mixers, remix, scenes

__all__ = ["loud_regions", "mixers", "remix", "scenes"]
