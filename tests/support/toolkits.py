"""Small untrained models, each written to disk by the toolkit that it is of."""

import json
import sys
import types
from importlib import import_module

import torch
import yaml

from audition.compat import stand_ins

SPEECHBRAIN = """
sample_rate: 8000
num_spks: 2
Encoder: !new:speechbrain.lobes.models.dual_path.Encoder
    kernel_size: 16
    out_channels: 16
Intra: !new:speechbrain.lobes.models.dual_path.SBTransformerBlock
    num_layers: 1
    d_model: 16
    nhead: 2
    d_ffn: 16
Inter: !new:speechbrain.lobes.models.dual_path.SBTransformerBlock
    num_layers: 1
    d_model: 16
    nhead: 2
    d_ffn: 16
MaskNet: !new:speechbrain.lobes.models.dual_path.Dual_Path_Model
    num_spks: !ref <num_spks>
    in_channels: !ref <Encoder[out_channels]>
    out_channels: 16
    num_layers: 1
    K: 20
    intra_model: !ref <Intra>
    inter_model: !ref <Inter>
Decoder: !new:speechbrain.lobes.models.dual_path.Decoder
    in_channels: 16
    out_channels: 1
    kernel_size: 16
    stride: 8
    bias: False
modules:
    encoder: !ref <Encoder>
    masknet: !ref <MaskNet>
    decoder: !ref <Decoder>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        encoder: !ref <Encoder>
        masknet: !ref <MaskNet>
        decoder: !ref <Decoder>
"""
STEMS = ("drums", "bass", "other", "vocals")
ROFORMER = {
    "audio": {"sample_rate": 8000, "chunk_size": 4000},
    "model": {
        "dim": 8,
        "depth": 1,
        "heads": 1,
        "dim_head": 8,
        "stereo": True,
        "num_stems": 4,
        "freqs_per_bands": (1, 2, 6, 24, 32),
        "stft_n_fft": 128,
        "stft_win_length": 128,
        "stft_hop_length": 32,
        "mask_estimator_depth": 1,
        "flash_attn": False,
    },
    "training": {"instruments": list(STEMS)},
    "inference": {"num_overlap": 2},
}


def write_asteroid(path, monkeypatch, sample_rate=8000):
    """What `model.serialize()` returns, as `torch.save` writes it; returns the network."""
    ConvTasNet = import_module("asteroid.models").ConvTasNet

    lightning = types.SimpleNamespace(__version__="2.0")  # whose version is noted, and no more
    monkeypatch.setitem(sys.modules, "pytorch_lightning", lightning)
    torch.manual_seed(0)
    sizes = {"n_blocks": 2, "n_repeats": 1, "bn_chan": 8, "hid_chan": 16, "skip_chan": 8}
    network = ConvTasNet(2, n_filters=16, sample_rate=sample_rate, **sizes)
    torch.save(network.serialize(), path)
    return network.eval()


def write_speechbrain(folder):
    """A folder with hyperparams.yaml, and the weights as SpeechBrain's checkpointer saves them."""
    folder.mkdir()
    (folder / "hyperparams.yaml").write_text(SPEECHBRAIN)
    torch.manual_seed(0)
    with stand_ins.torchaudio():
        load_hyperpyyaml = import_module("hyperpyyaml").load_hyperpyyaml
        torch_save = import_module("speechbrain.utils.checkpoints").torch_save

        for name, module in load_hyperpyyaml(SPEECHBRAIN)["modules"].items():
            torch_save(module, folder / f"{name}.ckpt")


def write_demucs(folder, monkeypatch, bag=False):
    """`<signature>-<checksum>.th` as Demucs' training exports it; as a bag, two and `pair.yaml`."""
    HTDemucs = import_module("demucs.htdemucs").HTDemucs
    save_with_checksum = import_module("demucs.states").save_with_checksum
    serialize_model = import_module("demucs.states").serialize_model

    omega = types.SimpleNamespace(
        OmegaConf=types.SimpleNamespace(to_container=lambda one, **_: one)
    )
    monkeypatch.setitem(sys.modules, "omegaconf", omega)
    folder.mkdir()
    sizes = {"channels": 8, "depth": 4, "t_layers": 1, "nfft": 1024, "bottom_channels": 0}
    for seed in range(1 + bag):
        torch.manual_seed(seed)
        network = HTDemucs(list(STEMS), samplerate=8000, segment=1, t_heads=2, **sizes)
        save_with_checksum(serialize_model(network, {"epochs": 1}), folder / f"net{seed}.th")
    if bag:
        shares = [[1.0, 0.0, 0.5, 1.0], [0.0, 1.0, 0.5, 1.0]]
        (folder / "pair.yaml").write_text(
            yaml.dump({"models": ["net0", "net1"], "weights": shares})
        )


def write_open_unmix(folder, targets=STEMS, num_channels=2):
    """Each target's .json and .pth and separator.json, as Open-Unmix's training leaves them."""
    with stand_ins.torchaudio():
        OpenUnmix = import_module("openunmix.model").OpenUnmix
        save_checkpoint = import_module("openunmix.utils").save_checkpoint

    folder.mkdir()
    sizes = {"nfft": 256, "nhop": 64, "nb_channels": num_channels}
    (folder / "separator.json").write_text(json.dumps({"sample_rate": 8000, **sizes}))
    for seed, target in enumerate(targets):
        torch.manual_seed(seed)
        network = OpenUnmix(nb_bins=129, nb_channels=num_channels, hidden_size=8, max_bin=100)
        save_checkpoint({"state_dict": network.state_dict()}, True, str(folder), target)
        about = {"args": {"hidden_size": 8, **sizes}}
        (folder / f"{target}.json").write_text(json.dumps(about))


def write_roformer(folder, **changes):
    """config.yaml with tuples, as people share it, and model.ckpt; returns the network."""
    BSRoformer = import_module("bs_roformer").BSRoformer

    folder.mkdir()
    config = {**ROFORMER, **changes}
    (folder / "config.yaml").write_text(yaml.dump(config))
    torch.manual_seed(0)
    network = BSRoformer(**config["model"])
    torch.save(network.state_dict(), folder / "model.ckpt")
    return network.eval()
