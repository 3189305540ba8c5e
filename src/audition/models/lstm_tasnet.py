"""LSTM-TasNet, the first network from waveforms to waveforms by masks: a gated encoder and LSTMs.

Luo and Mesgarani, "TasNet: Time-domain audio separation network for real-time, single-channel speech
separation", ICASSP 2018.
"""

import copy

import torch
from torch import nn

from audition.models import norms
from audition.models.filterbanks import Filterbank, filterbank
from audition.models.masking import MaskingNetwork, activation
from audition.models.waveform import waveform_network


class GatedFilterbank(Filterbank):
    """A filterbank whose rectified frames a second encoder gates with a sigmoid."""

    def __init__(self, bank: Filterbank):
        super().__init__(bank.num_filters, bank.kernel_size, bank.stride)
        self.bank, self.gate = bank, copy.deepcopy(bank)
        self.gate.decoder = None

    def encode(self, waveforms: torch.Tensor) -> torch.Tensor:
        return self.bank.encode(waveforms).relu() * self.gate.encode(waveforms).sigmoid()

    def decode(self, frames: torch.Tensor) -> torch.Tensor:
        return self.bank.decode(frames)


class RecurrentMasker(nn.Module):
    """The masker: frames `(batch, filter, frame)` to masks `(batch, source, filter, frame)`."""

    def __init__(
        self,
        num_filters: int,
        num_sources: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        bidirectional: bool,
        norm_name: str,
        mask_activation: str,
    ):
        super().__init__()
        self.num_sources = num_sources
        self.norm = norms.norm(norm_name, num_filters)
        self.rnn = nn.LSTM(
            num_filters,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=bidirectional,
        )
        self.linear = nn.Linear((1 + bidirectional) * hidden_size, num_sources * num_filters)
        self.activation = activation(mask_activation)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        hidden = self.rnn(self.norm(frames).transpose(1, 2))[0]
        scores = self.linear(hidden).transpose(1, 2)
        return self.activation(scores.unflatten(1, (self.num_sources, -1)))


@waveform_network
class LSTMTasNet(MaskingNetwork):
    """LSTM-TasNet as Asteroid trains it, 21.4 M parameters at its defaults.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`. The paper's windows of 40 samples don't overlap and are
    scaled to unit energy, it has 500 filters, LSTMs of 500 units per direction (1000 where causal)
    with skip connections, and masks from a softmax.

    Args:
        num_sources: how many waveforms come out.
        num_filters, kernel_size, stride: of the encoder, the last two in samples.
        hidden_size, num_layers: of the LSTMs, the first per direction.
        dropout: between their layers, 0 to 1.
        norm: of the frames, see `norms.norm`; in a causal network the paper's is "cLN", that of
            Asteroid "cgLN".
        mask_activation: a key of `masking.ACTIVATIONS`.
        causal: True never looks ahead, but for the encoder's window; `norm` must not either.
        filters, sample_rate: see `filterbanks.filterbank`; an STFT has no gate.
    """

    def __init__(
        self,
        num_sources: int = 2,
        num_filters: int = 64,
        kernel_size: int = 16,
        stride: int = 8,
        hidden_size: int = 512,
        num_layers: int = 4,
        dropout: float = 0.3,
        norm: str = "gLN",
        mask_activation: str = "sigmoid",
        causal: bool = False,
        filters: str = "free",
        sample_rate: int = 8000,
    ):
        if causal:
            norms.check_causal(norm)
        bank = filterbank(filters, num_filters, kernel_size, stride, sample_rate)
        masker = RecurrentMasker(
            bank.num_filters,
            num_sources,
            hidden_size,
            num_layers,
            dropout,
            not causal,
            norm,
            mask_activation,
        )
        super().__init__(bank if filters.startswith("stft") else GatedFilterbank(bank), masker)
