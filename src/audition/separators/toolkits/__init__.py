"""Networks that other toolkits trained, as separators and teachers; docs/toolkits.md says how."""

from audition.separators.toolkits.asteroid import AsteroidModel
from audition.separators.toolkits.bs_roformer import BSRoformerModel
from audition.separators.toolkits.demucs import DemucsModel
from audition.separators.toolkits.open_unmix import OpenUnmixModel
from audition.separators.toolkits.speechbrain import SpeechBrainSeparator

__all__ = [
    "AsteroidModel",
    "BSRoformerModel",
    "DemucsModel",
    "OpenUnmixModel",
    "SpeechBrainSeparator",
]
