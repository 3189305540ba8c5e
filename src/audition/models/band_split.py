"""Band-split networks: bands of the spectrum, modelled along time and across each other in turn.

BSRNN: Luo and Yu, "Music source separation with band-split RNN", IEEE/ACM TASLP 2023. BS-RoFormer: Lu,
Wang, Kong and Hung, "Music source separation with band-split RoPE transformer", 2023. Mel-band
RoFormer: Wang, Lu and Won, "Mel-band RoFormer for music source separation", 2023.
"""

from collections.abc import Sequence

from torch import nn

from audition.errors import ConfigError
from audition.models import bands
from audition.models.band_split_blocks import BandSplitNetwork, recurrent_blocks, roformer_blocks
from audition.models.rotary_attention import RMSNorm
from audition.models.waveform import waveform_network


@waveform_network
class BSRNN(BandSplitNetwork):
    """Band-split RNN; its defaults are the paper's for vocals, with channels separated one by one.

    The paper trains a network per source; here one may also give several.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    Args:
        num_sources: how many waveforms come out.
        num_channels, window_length, hop_length: see SpectralNetwork.
        num_features: of a band (N).
        num_repeats: of the recurrent blocks, along time and across bands.
        hidden_size: of each direction of their LSTMs.
        mask_hidden_size: of the hidden layer before the masks.
        sample_rate: of the signals in Hz.
        band_splits: pairs `(how many, Hz)` from the lowest frequencies on; what is above is one more band.
            The default is the paper's V7.
    """

    def __init__(
        self,
        num_sources: int = 1,
        num_channels: int = 1,
        window_length: int = 2048,
        hop_length: int = 512,
        num_features: int = 128,
        num_repeats: int = 12,
        hidden_size: int = 256,
        mask_hidden_size: int = 512,
        sample_rate: int = 44100,
        band_splits: Sequence[tuple[int, float]] = bands.V7,
    ):
        super().__init__(
            bands.of_hertz(band_splits, sample_rate, window_length // 2 + 1),
            recurrent_blocks(num_features, num_repeats, hidden_size),
            num_features,
            num_sources,
            signals=(num_channels, window_length, hop_length),
            mask_layers=(mask_hidden_size, 1),
            norms=(nn.LayerNorm, nn.LayerNorm),
        )


@waveform_network
class BSRoFormer(BandSplitNetwork):
    """BS-RoFormer; its defaults are the paper's smaller network for one source, 72.2 M parameters.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    The weights that people share have a head_size of 64. The package BS-RoFormer later added
    hyper-connections and residual values, which neither they nor the paper have; nor has this network.

    Args:
        num_sources: how many waveforms come out.
        num_channels, window_length, hop_length: see SpectralNetwork.
        num_features: of a band (D).
        num_repeats: of a transformer along time and one across bands (L).
        num_time_layers, num_band_layers: of these two.
        num_heads, head_size: of the attention.
        mask_hidden_size, num_mask_layers: of the hidden layers before the masks.
        dropout: of the attention and of what follows it.
        band_widths: how many frequencies each band has; they sum to window_length // 2 + 1.

    Raises:
        ConfigError: they don't.
    """

    def __init__(
        self,
        num_sources: int = 1,
        num_channels: int = 2,
        window_length: int = 2048,
        hop_length: int = 441,
        num_features: int = 384,
        num_repeats: int = 6,
        num_time_layers: int = 1,
        num_band_layers: int = 1,
        num_heads: int = 8,
        head_size: int = 48,
        mask_hidden_size: int = 1536,
        num_mask_layers: int = 1,
        dropout: float = 0.1,
        band_widths: Sequence[int] = bands.ROFORMER,
    ):
        num_frequencies = window_length // 2 + 1
        if sum(band_widths) != num_frequencies:
            raise ConfigError(
                f"BSRoFormer.band_widths sum to {sum(band_widths)} frequencies, but a window of "
                f"{window_length} samples has {num_frequencies}: give widths that sum to that."
            )
        super().__init__(
            bands.consecutive(band_widths, num_frequencies),
            roformer_blocks(
                num_features,
                num_repeats,
                (num_time_layers, num_band_layers),
                norm_each=False,
                num_heads=num_heads,
                head_size=head_size,
                dropout=dropout,
            ),
            num_features,
            num_sources,
            signals=(num_channels, window_length, hop_length),
            mask_layers=(mask_hidden_size, num_mask_layers),
            norms=(RMSNorm, nn.Identity),
        )


@waveform_network
class MelBandRoFormer(BandSplitNetwork):
    """Mel-band RoFormer: bands overlap and are as wide as those of a mel scale; 84.2 M parameters.

    The weights that people share have a head_size of 64 and two mask layers.

    Forward takes mixtures `(batch, channel, sample)` and returns estimates
    `(batch, source, channel, sample)`.

    Args:
        num_bands: of the mel scale.
        sample_rate: of the signals in Hz.
        num_sources, num_channels, window_length, hop_length, num_features, num_repeats,
            num_time_layers, num_band_layers, num_heads, head_size, mask_hidden_size, num_mask_layers,
            dropout: see BSRoFormer.

    Raises:
        ConfigError: a band has no frequency.
    """

    def __init__(
        self,
        num_sources: int = 1,
        num_channels: int = 2,
        window_length: int = 2048,
        hop_length: int = 441,
        num_features: int = 384,
        num_repeats: int = 6,
        num_time_layers: int = 1,
        num_band_layers: int = 1,
        num_heads: int = 8,
        head_size: int = 48,
        mask_hidden_size: int = 1536,
        num_mask_layers: int = 1,
        dropout: float = 0.1,
        num_bands: int = 60,
        sample_rate: int = 44100,
    ):
        super().__init__(
            bands.of_mels(num_bands, sample_rate, window_length),
            roformer_blocks(
                num_features,
                num_repeats,
                (num_time_layers, num_band_layers),
                norm_each=True,
                num_heads=num_heads,
                head_size=head_size,
                dropout=dropout,
            ),
            num_features,
            num_sources,
            signals=(num_channels, window_length, hop_length),
            mask_layers=(mask_hidden_size, num_mask_layers),
            norms=(RMSNorm, nn.Identity),
        )
