"""Features turn a batch of waveforms into what a network and its losses read, on its device.

`train.features` alone defines a network's input: separation rebuilds the same object from the model
file. To add one, write a subclass of `Features`; see base.py.
"""

from audition.features.base import Features, complete_stft_params
from audition.features.model_files import description, features_of_model, stft_params_of_data
from audition.features.spectrogram import SpectrogramFeatures
from audition.features.waveform import WaveformFeatures

__all__ = [
    "Features",
    "SpectrogramFeatures",
    "WaveformFeatures",
    "complete_stft_params",
    "description",
    "features_of_model",
    "stft_params_of_data",
]
