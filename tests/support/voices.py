"""Short synthetic voices, small corpora of them, and small untrained networks, for the tests."""

import numpy as np
import nussl
import soundfile
import torch
from nussl.datasets import transforms
from nussl.ml.networks import builders

from audition.datasets import build_dataset

STFT_PARAMS = nussl.STFTParams(256, 64, "sqrt_hann")
SAMPLE_RATE = 8000


def voice(seconds, pitch_hz, seed=0, sample_rate=SAMPLE_RATE, num_channels=1):
    """Harmonics with vibrato, in syllables, a little breath: float32 `(channel, sample)`."""
    random = np.random.RandomState(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    vibrato = 0.4 * np.sin(2 * np.pi * (4 + random.rand()) * time)
    phase = 2 * np.pi * pitch_hz * time + vibrato
    count = int(0.45 * sample_rate / pitch_hz)
    tone = sum(np.sin(k * phase) / k**0.7 for k in range(1, count))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * (2 + random.rand()) * time + 6 * random.rand())
    gains = 1 + 0.5 * random.rand(num_channels, 1)
    breath = 0.02 * random.randn(num_channels, len(time))
    return (0.1 * gains * (tone + breath) * syllables).astype(np.float32)


def signal(audio, sample_rate=SAMPLE_RATE, stft_params=STFT_PARAMS):
    return nussl.AudioSignal(
        audio_data_array=audio, sample_rate=sample_rate, stft_params=stft_params
    )


def two_voices(seconds=1.0, seed=0, num_channels=1):
    """`(mix, {"s1": …, "s2": …})` as AudioSignals."""
    settings = {"seed": seed, "num_channels": num_channels}
    low, high = voice(seconds, 110 + seed, **settings), voice(seconds, 231 + 3 * seed, **settings)
    return signal(low + high), {"s1": signal(low), "s2": signal(high)}


def write_corpus(folder, num_tracks=3, seconds=1.0, num_channels=1):
    """Writes mix, s1, s2 folders of .wav files; track i is a little longer than track i - 1."""
    for index in range(num_tracks):
        mix, sources = two_voices(seconds + 0.05 * index, index, num_channels)
        for name, one in {"mix": mix, **sources}.items():
            path = folder / name / f"track{index}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, one.audio_data.T, SAMPLE_RATE, subtype="FLOAT")
    return folder


def open_corpus(folder, **settings):
    dataset = nussl.datasets.MixSourceFolder(
        str(folder),
        mix_folder="mix",
        source_folders=["s1", "s2"],
        stft_params=STFT_PARAMS,
        sample_rate=SAMPLE_RATE,
        **settings,
    )
    return build_dataset(dataset, "test")


def save_network(path, kind="mask", seed=0, sample_rate=SAMPLE_RATE, num_channels=1):
    """A small network with random weights, as a checkpoint of nussl's format."""
    torch.manual_seed(seed)
    model = nussl.ml.SeparationModel(CONFIGS[kind](num_channels))
    front = (
        transforms.GetAudio() if kind == "audio" else transforms.MagnitudeSpectrumApproximation()
    )
    about = {"stft_params": STFT_PARAMS, "sample_rate": sample_rate, "num_channels": num_channels}
    compose = transforms.Compose([front, transforms.ToSeparationModel()])
    dataset = {"folder": "none", "name": "none", "transforms": compose, **about}
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(str(path), metadata={**about, "train_dataset": dataset})
    return path


def mask_config(num_channels):
    config = builders.build_recurrent_mask_inference(
        129, 16, 1, True, 0.0, 2, ["sigmoid"], num_audio_channels=num_channels
    )
    # nussl's builder forgets that the channels of a frame go into the recurrent layers together
    config["modules"]["recurrent_stack"]["args"]["num_features"] *= num_channels
    return config


def embedding_config(num_channels):
    return builders.build_recurrent_dpcl(
        129, 16, 1, True, 0.0, 5, ["sigmoid", "unit_norm"], num_audio_channels=num_channels
    )


def chimera_config(num_channels):
    config = builders.build_recurrent_chimera(
        129,
        16,
        1,
        True,
        0.0,
        5,
        ["sigmoid", "unit_norm"],
        2,
        ["softmax"],
        num_audio_channels=num_channels,
    )
    config["modules"]["recurrent_stack"]["args"]["num_features"] = 129 * num_channels
    return config


def audio_config(num_channels):
    return builders.build_recurrent_end_to_end(
        256, 256, 64, "sqrt_hann", 16, 1, True, 0.0, 2, ["sigmoid"], num_audio_channels=num_channels
    )


CONFIGS = {
    "mask": mask_config,
    "embedding": embedding_config,
    "chimera": chimera_config,
    "audio": audio_config,
}
