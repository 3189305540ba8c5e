"""Open-Unmix and X-UMX: recurrent networks on magnitudes, one for each target, and a Wiener filter.

UMX: Stöter, Uhlich, Liutkus and Mitsufuji, "Open-Unmix - A reference implementation for music source
separation", JOSS 2019. X-UMX: Sawata, Uhlich, Takahashi and Mitsufuji, "All for one and one for all:
Improving music separation by bridging networks", ICASSP 2021.
"""

import itertools
from collections.abc import Iterable

import torch
from torch import nn

from audition.models.spectral_network import SpectralNetwork
from audition.models.waveform import waveform_network
from audition.models.wiener import wiener_filtered

SMALLEST_DEVIATION = 1e-4  # of a frequency, relative to the largest one's


class Target(nn.Module):
    """The network of one target, in the parts between which X-UMX has its bridges.

    Args:
        num_heard, num_frequencies: how many frequencies it hears, from the lowest on, and of how many
            it returns masks.
        num_channels, hidden_size, num_layers, bidirectional, dropout: see OpenUnmix.
    """

    def __init__(
        self,
        num_heard: int,
        num_frequencies: int,
        num_channels: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        dropout: float,
    ):
        super().__init__()
        self.num_channels, self.num_heard = num_channels, num_heard
        self.input_shift = nn.Parameter(torch.zeros(num_heard))
        self.input_scale = nn.Parameter(torch.ones(num_heard))
        self.output_shift = nn.Parameter(torch.ones(num_frequencies))
        self.output_scale = nn.Parameter(torch.ones(num_frequencies))
        self.entry = nn.Sequential(
            nn.Linear(num_channels * num_heard, hidden_size, bias=False),
            nn.BatchNorm1d(hidden_size),
            nn.Tanh(),
        )
        self.rnn = nn.LSTM(
            hidden_size,
            hidden_size // (1 + bidirectional),
            num_layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.exit = nn.Sequential(
            nn.Linear(2 * hidden_size, hidden_size, bias=False),
            nn.BatchNorm1d(hidden_size),
            nn.ReLU(),
            nn.Linear(hidden_size, num_channels * num_frequencies, bias=False),
            nn.BatchNorm1d(num_channels * num_frequencies),
        )

    def begin_at(self, mean: torch.Tensor, deviation: torch.Tensor) -> None:
        """Lets its input have a mean of 0 and a deviation of 1; both are `(frequency,)`."""
        self.input_shift.data.copy_(-mean[: self.num_heard])
        self.input_scale.data.copy_(1 / deviation[: self.num_heard])

    def encode(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Hidden `(batch, frame, hidden)` of magnitudes `(batch, frame, channel, frequency)`."""
        heard = (magnitudes[..., : self.num_heard] + self.input_shift) * self.input_scale
        return each_frame(self.entry, heard.flatten(2))

    def recur(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.rnn(hidden)[0]

    def decode(self, hidden: torch.Tensor) -> torch.Tensor:
        """Masks `(batch, frame, channel, frequency)` of `(batch, frame, 2 * hidden)`."""
        masks = each_frame(self.exit, hidden).unflatten(-1, (self.num_channels, -1))
        return (masks * self.output_scale + self.output_shift).relu()


def each_frame(process: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return process(x.flatten(0, 1)).unflatten(0, x.shape[:2])


@waveform_network
class OpenUnmix(SpectralNetwork):
    """UMX with all targets in one network; its defaults are those of the published `umxhq`.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`. In training they have the mixture's phase; in evaluation the
    Wiener filter refines them. Before a training begins, the network hears excerpts of it, so that its
    input is standardised in each frequency; what it learned there is in its weights.

    Args:
        num_sources: how many waveforms come out.
        num_channels, window_length, hop_length: see SpectralNetwork.
        hidden_size, num_layers, bidirectional, dropout: of the recurrent layers; both directions
            together have hidden_size features.
        sample_rate: of the signals in Hz.
        bandwidth_hz: the network hears frequencies up to here; it returns all.
        num_heard_excerpts: how many excerpts its input is standardised by.
        wiener_iterations: of the filter in evaluation; 0 leaves it out.
        soft_masks, residual: see wiener_filtered; with `residual`, the last source is what the others
            leave.
    """

    def __init__(
        self,
        num_sources: int = 4,
        num_channels: int = 2,
        window_length: int = 4096,
        hop_length: int = 1024,
        hidden_size: int = 512,
        num_layers: int = 3,
        bidirectional: bool = True,
        dropout: float = 0.4,
        sample_rate: int = 44100,
        bandwidth_hz: float = 16000.0,
        num_heard_excerpts: int = 256,
        wiener_iterations: int = 1,
        soft_masks: bool = False,
        residual: bool = False,
    ):
        super().__init__(num_channels, window_length, hop_length)
        self.num_heard_excerpts, self.wiener_iterations = num_heard_excerpts, wiener_iterations
        self.soft_masks, self.residual = soft_masks, residual
        num_frequencies = window_length // 2 + 1
        num_heard = min(num_frequencies, int(bandwidth_hz * window_length / sample_rate) + 1)
        recurrent = hidden_size, num_layers, bidirectional, dropout
        self.targets = nn.ModuleList(
            Target(num_heard, num_frequencies, num_channels, *recurrent)
            for _ in range(num_sources - residual)
        )

    def hear(self, mixes: Iterable[torch.Tensor]) -> None:
        """Standardises the input by mixtures `(batch, channel, sample)`, see `training.hearing`."""
        excerpts = (mix[i : i + 1] for mix in mixes for i in range(len(mix)))
        mean, deviation = statistics(
            self.analysed(excerpt).abs()[0].mean(dim=0)
            for excerpt in itertools.islice(excerpts, self.num_heard_excerpts)
        )
        for target in self.targets:
            target.begin_at(mean, deviation)

    def separate(self, spectra: torch.Tensor) -> torch.Tensor:
        magnitudes = spectra.abs()
        masks = self.masks(magnitudes.permute(0, 3, 1, 2)).permute(0, 1, 3, 4, 2)
        iterations = 0 if self.training else self.wiener_iterations
        return wiener_filtered(
            masks.float() * magnitudes.unsqueeze(1),
            spectra,
            iterations,
            self.soft_masks,
            self.residual,
        )

    def masks(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """`(batch, target, frame, channel, frequency)` of `(batch, frame, channel, frequency)`."""
        masks = []
        for target in self.targets:
            hidden = target.encode(magnitudes)
            masks.append(target.decode(torch.cat([hidden, target.recur(hidden)], dim=-1)))
        return torch.stack(masks, dim=1)


@waveform_network
class XUMX(OpenUnmix):
    """X-UMX: UMX whose targets share the means of their hidden layers. Its arguments are UMX's.

    The paper's losses, in the time and frequency domains and of combinations of sources, are no part of
    the network.
    """

    def masks(self, magnitudes: torch.Tensor) -> torch.Tensor:
        hidden = [target.encode(magnitudes) for target in self.targets]
        shared = torch.stack(hidden).mean(dim=0)
        recurrent = torch.stack([target.recur(shared) for target in self.targets]).mean(dim=0)
        bridged = torch.cat([shared, recurrent], dim=-1)
        return torch.stack([target.decode(bridged) for target in self.targets], dim=1)


@torch.no_grad()
def statistics(spectrograms: Iterable[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation `(frequency,)` over the frames of spectrograms `(frequency, frame)`."""
    count, total, squares = 0, 0.0, 0.0
    for spectrogram in spectrograms:
        values = spectrogram.double()
        count += values.shape[-1]
        total = total + values.sum(dim=-1)
        squares = squares + values.square().sum(dim=-1)
    mean = total / count
    deviation = (squares / count - mean.square()).clamp_min(0).sqrt()
    deviation = deviation.clamp_min(SMALLEST_DEVIATION * deviation.max().clamp_min(1e-8))
    return mean.float(), deviation.float()
