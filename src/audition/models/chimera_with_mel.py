"""The network of the music experiments in the bootstrapping paper."""

import logging

import gin

log = logging.getLogger(__name__)


@gin.register
def build_chimera_with_mel(
    num_features: int,
    num_mels: int,
    sample_rate: int,
    hidden_size: int,
    num_layers: int,
    bidirectional: bool,
    embedding_size: int,
    embedding_activation: list[str],
    num_sources: int,
    mask_activation: list[str],
    chunk_size: int = 100,
    hop_size: int = 50,
    num_audio_channels: int = 1,
    rnn_type: str = "lstm",
    normalization_class: str = "InstanceNorm",
    normalization_args: dict | None = None,
    mix_key: str = "mix_magnitude",
    head_dropout: float = 0.0,
    dropout: float | None = None,
) -> dict:
    """Chimera network (Luo et al., ICASSP 2017) on mel bands with a dual-path processor.

    Magnitudes are projected to mel bands, normalised, run through `num_layers` dual-path blocks
    (Luo, Chen and Yoshioka, ICASSP 2020), and mapped to an embedding and a mask for each
    time-frequency bin of the full spectrogram. As in the paper's code, there is no dropout.

    Args:
        num_features: frequency bins of the STFT, window_length // 2 + 1.
        num_mels: mel bands that the processor works on.
        sample_rate: sample rate of the audio, in Hz.
        hidden_size: units of each recurrent layer, per direction.
        num_layers: dual-path blocks, each with one intra- and one inter-chunk layer.
        bidirectional: whether the recurrent layers run in both directions.
        embedding_size: dimensions of the embedding.
        embedding_activation, mask_activation: see nussl's `Embedding`.
        num_sources: number of masks.
        chunk_size, hop_size: chunks of the dual-path processor, in frames. An excerpt needs at
            least `chunk_size` frames; frames after the last whole hop come out as zeros.
        num_audio_channels: 1 for mono.
        rnn_type: "lstm" or "gru".
        normalization_class, normalization_args: "BatchNorm" or "InstanceNorm" and its arguments.
        mix_key: key of the mixture's magnitude spectrogram in a batch.
        head_dropout: dropout between the processor and the heads, 0 to 1.
        dropout: not used, as in the paper's code, whose configs bind it. Version 0.1 used it as
            `head_dropout`.

    Returns:
        dict for `nussl.ml.SeparationModel`; outputs `embedding`
        `(batch, time, frequency, channel, embedding)`, `mask` and `estimates`
        `(batch, time, frequency, channel, source)`.
    """
    if dropout:
        log.warning(
            "build_chimera_with_mel.dropout = %g is not used, as in the paper's code; for version "
            "0.1's dropout before the heads, bind build_chimera_with_mel.head_dropout.",
            dropout,
        )
    width = num_mels * num_audio_channels
    recurrent = {
        "class": "RecurrentStack",
        "args": {
            "num_features": width,
            "hidden_size": hidden_size,
            "num_layers": 1,
            "bidirectional": bidirectional,
            "dropout": 0.0,  # PyTorch's dropout is between layers, and each stack has only one
            "rnn_type": rnn_type,
            "init_forget": rnn_type == "lstm",  # nussl would initialise the wrong gates of a GRU
        },
    }

    def head(size, activation):
        return {
            "class": "Embedding",
            "args": {
                "num_features": num_features,
                "hidden_size": width,
                "embedding_size": size,
                "activation": activation,
                "num_audio_channels": num_audio_channels,
                "dim_to_embed": [2, 3],
            },
        }

    modules = {
        mix_key: {},
        "mel_projection": {
            "class": "MelProjection",
            "args": {
                "sample_rate": sample_rate,
                "num_frequencies": num_features,
                "num_mels": num_mels,
                "direction": "forward",
            },
        },
        "normalization": {"class": normalization_class, "args": normalization_args or {}},
        # DualPath has no notion of channels: mel bands and channels become one axis
        "joined": {"class": "Flatten", "args": {"start_dim": 2}},
        "one_channel": {"class": "Unflatten", "args": {"dim": 2, "unflattened_size": [width, 1]}},
        "dual_path": {
            "class": "DualPath",
            "args": {
                "num_layers": num_layers,
                "chunk_size": chunk_size,
                "hop_size": hop_size,
                "in_features": width,
                "bottleneck_size": width,
                "hidden_size": hidden_size * (2 if bidirectional else 1),
                "intra_processor": recurrent,
                "inter_processor": recurrent,
            },
        },
        "dropout": {"class": "Dropout", "args": {"p": head_dropout}},
        "embedding": head(embedding_size, embedding_activation),
        "mask": head(num_sources, mask_activation),
        "estimates": {"class": "Mask"},
    }
    return {
        "name": "ChimeraWithMel",
        "modules": modules,
        "connections": [
            ["mel_projection", [mix_key]],
            ["normalization", ["mel_projection"]],
            ["joined", ["normalization"]],
            ["one_channel", ["joined"]],
            ["dual_path", ["one_channel"]],
            ["dropout", ["dual_path"]],
            ["embedding", ["dropout"]],
            ["mask", ["dropout"]],
            ["estimates", ["mask", mix_key]],
        ],
        "output": ["embedding", "estimates", "mask"],
    }
