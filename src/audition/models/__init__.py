"""Networks, of two kinds.

A network on spectrograms is a function that returns the config of a nussl `SeparationModel`: a dict
of modules, connections and outputs, for `train.model_config`. nussl's own builders are registered in
`audition.registry`; a new one is a new `build_…` function here (or in a file of your own that a .gin
file imports), and a new layer is an `nn.Module` decorated with `building_block`.

A network from waveforms to waveforms is an `nn.Module` decorated with `waveform_network`, for
`train.model`. Its arguments travel in the model file.

    conv_tasnet        Conv-TasNet, TDCN++
    dual_path          DPRNN-TasNet, DPTNet
    sepformer          SepFormer
    lstm_tasnet        LSTM-TasNet
    sudo_rm_rf         SuDoRM-RF and its improved form
    complex_masking    DCUNet, DCCRN
    tf_gridnet         TF-GridNet, of one or several microphones
    band_split         BSRNN, BS-RoFormer, Mel-band RoFormer
    open_unmix         Open-Unmix, X-UMX
    asteroid_network   any of asteroid's, by its name there
    consistency        any of them, with estimates that add up to the mixture
"""

from audition.models.asteroid_network import AsteroidNetwork
from audition.models.band_split import BSRNN, BSRoFormer, MelBandRoFormer
from audition.models.blocks import building_block
from audition.models.chimera_with_mel import build_chimera_with_mel
from audition.models.complex_masking import DCCRN, DCUNet
from audition.models.consistency import MixtureConsistency, MixtureConsistent
from audition.models.conv_tasnet import ConvTasNet
from audition.models.dual_path import DPRNNTasNet, DPTNet
from audition.models.lstm_tasnet import LSTMTasNet
from audition.models.open_unmix import XUMX, OpenUnmix
from audition.models.sepformer import SepFormer
from audition.models.sudo_rm_rf import SuDoRMRF
from audition.models.tf_gridnet import TFGridNet
from audition.models.waveform import waveform_network

__all__ = [
    "BSRNN",
    "DCCRN",
    "AsteroidNetwork",
    "XUMX",
    "BSRoFormer",
    "ConvTasNet",
    "DCUNet",
    "DPRNNTasNet",
    "DPTNet",
    "LSTMTasNet",
    "MelBandRoFormer",
    "MixtureConsistency",
    "MixtureConsistent",
    "OpenUnmix",
    "SepFormer",
    "SuDoRMRF",
    "TFGridNet",
    "build_chimera_with_mel",
    "building_block",
    "waveform_network",
]
