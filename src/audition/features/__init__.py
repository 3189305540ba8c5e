"""Features: waveforms → what a network and its losses read, a batch at a time, on the batch's device.

`train.features` is the one definition of a network's input: the object that makes it in training is
rebuilt from the model file for separation. To add one, write a subclass of `Features`; see base.py.
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
