"""The networks for music against their published implementations: same weights, same output."""

import pytest
import torch

from audition.models import XUMX, BSRoFormer, MelBandRoFormer, OpenUnmix
from audition.models.wiener import wiener_filtered
from tests.support.parity import ATOL, moved, number, peer, renamed

bs_roformer = peer("bs_roformer.bs_roformer")
mel_roformer = peer("bs_roformer.mel_band_roformer")
openunmix = peer("openunmix.model")
filtering = peer("openunmix.filtering")
x_umx = peer("asteroid.models.x_umx")

ROFORMERS = [
    (r"\.branch\.", "."),
    (r"^layers\.(\d+)\.0\.layers\.", r"blocks.\1.along_time.layers."),
    (r"^layers\.(\d+)\.1\.layers\.", r"blocks.\1.across_bands.layers."),
    (r"^layers\.(\d+)\.0\.norm", r"blocks.\1.along_time.norm"),
    (r"^layers\.(\d+)\.1\.norm", r"blocks.\1.across_bands.norm"),
    (r"\.layers\.(\d+)\.([01])\.", lambda found: f".layers.{2 * int(found[1]) + int(found[2])}."),
    (r"\.net\.", "."),
    (r"\.to_qkv\.", ".inputs."),
    (r"\.to_gates\.", ".gates."),
    (r"\.to_out\.0\.", ".output."),
    (r"^band_split\.to_features\.", "split.bands."),
    (r"^mask_estimators\.(\d+)\.to_freqs\.(\d+)\.0\.", r"masks.\1.bands.\2.1."),
    (r"\.gamma$", ".weight"),
]
PLAIN = {"num_residual_streams": 1, "flash_attn": False}  # no hyper-connections
SMALL = {"dim": 16, "depth": 2, "dim_head": 6, "heads": 2, **PLAIN}
OURS = {"num_features": 16, "num_repeats": 2, "head_size": 6, "num_heads": 2, "hop_length": 512}
TRAINED = {
    "dim": 384,
    "depth": 1,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    **PLAIN,
}


def bs_roformer_of(**settings):
    """Theirs without residual values, which it always has and the published weights don't."""
    network = bs_roformer.BSRoformer(**settings)
    for module in network.modules():
        if isinstance(module, bs_roformer.Attention):
            module.to_value_residual_mix = None
    return network


def mel_roformer_of(**settings):
    """Theirs without what the paper and the published weights don't have."""
    plain = {"linear_transformer_depth": 0, "add_value_residual": False}
    return mel_roformer.MelBandRoformer(**plain, **settings)


def shifted(name):
    """A name of Mel-band RoFormer without the first place in a layer, where linear attention may be."""
    parts = name.split(".")
    return (
        ".".join([*parts[:2], str(int(parts[2]) - 1), *parts[3:]]) if parts[0] == "layers" else name
    )


def weights_of_roformer(theirs, patterns):
    weights = {k: v for k, v in theirs.state_dict().items() if not k.endswith("rotary_embed.freqs")}
    if isinstance(theirs, mel_roformer.MelBandRoformer):
        weights = {shifted(name): value for name, value in weights.items()}
    return renamed(weights, patterns)


def assert_same_estimates(ours, theirs, num_channels, num_sources, num_samples=512 * 8):
    mix = torch.randn(2, num_channels, num_samples)
    with torch.no_grad():
        expected = theirs(mix).reshape(2, num_sources, num_channels, num_samples)
        torch.testing.assert_close(ours.eval()(mix), expected, atol=ATOL, rtol=1e-5)


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("num_sources", [1, 3])
def test_bs_roformer(num_channels, num_sources):
    shape = {"stereo": num_channels == 2, "num_stems": num_sources}
    depths = {"time_transformer_depth": 1, "freq_transformer_depth": 2}
    theirs = moved(bs_roformer_of(**SMALL, **shape, **depths))
    ours = BSRoFormer(num_sources, num_channels, num_band_layers=2, mask_hidden_size=64, **OURS)
    ours.load_state_dict(weights_of_roformer(theirs, [*ROFORMERS, (r"^final_norm", "blocks.2")]))
    assert_same_estimates(ours, theirs, num_channels, num_sources)


@pytest.mark.parametrize("num_channels", [1, 2])
def test_mel_band_roformer(num_channels):
    shape = {"stereo": num_channels == 2, "num_stems": 2, "mask_estimator_depth": 2}
    theirs = moved(mel_roformer_of(**SMALL, **shape, num_bands=40))
    ours = MelBandRoFormer(
        2,
        num_channels,
        num_time_layers=2,
        num_band_layers=2,
        num_bands=40,
        mask_hidden_size=64,
        num_mask_layers=2,
        **OURS,
    )
    ours.load_state_dict(weights_of_roformer(theirs, ROFORMERS))
    assert_same_estimates(ours, theirs, num_channels, 2)


def test_roformers_have_as_many_parameters():
    """With the settings of the weights that people share, but less deep."""
    ours = {"num_repeats": 1, "head_size": 64}
    theirs = bs_roformer_of(stereo=True, **TRAINED)
    assert number(BSRoFormer(**ours)) == number(theirs)
    theirs = mel_roformer_of(stereo=True, **TRAINED)
    assert number(MelBandRoFormer(**ours)) == number(theirs)


UMX = [
    (r"^input_mean$", "input_shift"),
    (r"^output_mean$", "output_shift"),
    (r"^fc1\.", "entry.0."),
    (r"^bn1\.", "entry.1."),
    (r"^lstm\.", "rnn."),
    (r"^fc2\.", "exit.0."),
    (r"^bn2\.", "exit.1."),
    (r"^fc3\.", "exit.3."),
    (r"^bn3\.", "exit.4."),
]


def umx(**settings):
    found = moved(openunmix.OpenUnmix(**settings))
    for module in found.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_var.uniform_(0.5, 2.0)
    return found


@pytest.mark.parametrize(
    ("settings", "of_theirs"),
    [
        ({}, {}),
        ({"wiener_iterations": 0}, {"niter": 0}),
        ({"wiener_iterations": 2, "soft_masks": True}, {"niter": 2, "softmask": True}),
        ({"residual": True}, {"residual": True}),
        ({"num_channels": 1, "bandwidth_hz": 22050}, {}),
        ({"bidirectional": False}, {}),
    ],
)
def test_open_unmix(settings, of_theirs):
    ours = OpenUnmix(3, window_length=256, hop_length=64, hidden_size=16, num_layers=2, **settings)
    inner = {
        "nb_bins": 129,
        "nb_channels": settings.get("num_channels", 2),
        "hidden_size": 16,
        "nb_layers": 2,
        "unidirectional": not settings.get("bidirectional", True),
        "max_bin": 129 if "bandwidth_hz" in settings else 93,
    }
    targets = {str(number): umx(**inner) for number in range(len(ours.targets))}
    for target, theirs in zip(ours.targets, targets.values(), strict=True):
        target.load_state_dict(renamed(theirs.state_dict(), UMX))
    frame = {"n_fft": 256, "n_hop": 64, "nb_channels": inner["nb_channels"]}
    theirs = openunmix.Separator(targets, **{"niter": 1, **frame, **of_theirs}).eval()
    assert_same_estimates(ours, theirs, inner["nb_channels"], 3, num_samples=64 * 320)


def test_open_unmix_has_as_many_parameters():
    with torch.device("meta"):
        assert number(OpenUnmix(1)) == number(openunmix.OpenUnmix(nb_bins=2049, max_bin=1487))


def test_the_masks_of_x_umx():
    """Its STFT does not run on today's torch, so asteroid refuses to build it by its name."""
    sources, sizes = ["a", "b", "c"], {"window_length": 256, "in_chan": 256, "n_hop": 64}
    theirs = moved(x_umx.BrokenXUMX(sources, **sizes, hidden_size=16, nb_layers=2, max_bin=93))
    ours = XUMX(3, window_length=256, hop_length=64, hidden_size=16, num_layers=2).eval()
    for source, target in zip(sources, ours.targets, strict=True):
        target.load_state_dict(renamed(of_source(theirs.state_dict(), source), X_UMX))
    magnitudes = torch.rand(2, 40, 2, 129)  # (batch, frame, channel, frequency)
    with torch.no_grad():
        expected = theirs.forward_masker(magnitudes.transpose(0, 1).clone()).transpose(1, 2)
        found = ours.masks(magnitudes).transpose(0, 1)
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=1e-5)


X_UMX = [
    (r"^mean_scale\.(input|output)_mean$", r"\1_shift"),
    (r"^mean_scale\.", ""),
    (r"^layer_enc\.enc\.", "entry."),
    (r"^layer_lstm\.", "rnn."),
    (r"^layer_dec\.dec\.", "exit."),
]


def of_source(weights, source):
    """Those of one source, without its name."""
    endings = {name: name.removesuffix(f"_{source}") for name in weights if "mean_scale" in name}
    named = {endings.get(name, name.replace(f".{source}.", ".")): name for name in weights}
    own = {k: n for k, n in named.items() if n.endswith(f"_{source}") or f".{source}." in n}
    return {k: weights[n] for k, n in own.items()}


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("soft_masks", [False, True])
@pytest.mark.parametrize("iterations", [0, 1, 2])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_the_wiener_filter(num_channels, iterations, soft_masks, residual):
    torch.manual_seed(0)
    mix = 8 * torch.randn(1, num_channels, 33, 20, dtype=torch.complex64)
    magnitudes = mix.abs().unsqueeze(1) * torch.rand(1, 3, num_channels, 33, 20)
    found = wiener_filtered(magnitudes, mix, iterations, soft_masks, residual)
    expected = filtering.wiener(
        magnitudes[0].permute(3, 2, 1, 0),
        torch.view_as_real(mix[0].permute(2, 1, 0)).contiguous(),
        iterations,
        soft_masks,
        residual,
    )
    expected = torch.view_as_complex(expected.permute(4, 2, 1, 0, 3).contiguous())
    torch.testing.assert_close(found[0], expected, atol=ATOL, rtol=1e-5)
