"""DCUNet and DCCRN against asteroid's: the same weights, the same output."""

import pytest
import torch
from torch.nn import functional

from audition.models import DCCRN, DCUNet
from audition.models.complex_masking import DCUNETS
from tests.support.parity import ATOL, moved, number, renamed

asteroid = pytest.importorskip(
    "asteroid.models", reason="needs pip install --no-deps -r requirements-peers.txt"
)
recurrent = pytest.importorskip("asteroid.masknn.recurrent")

PATTERNS = [
    (r"^masker\.encoders\.(\d+)\.(rnn|linear)", r"between.\2"),
    (r"^between\.rnn\.rnns\.([01])\.(re|im)_module\.rnn\.", r"unet.between.layers.\1.\2_module."),
    (r"^between\.linear\.", "unet.between.layers.2."),
    (r"^masker\.(en|de)coders\.(\d+)\.(conv|deconv)\.", r"unet.\1coders.\2.0."),
    (r"^masker\.(en|de)coders\.(\d+)\.norm\.", r"unet.\1coders.\2.1."),
    (r"^masker\.(en|de)coders\.(\d+)\.activation\.", r"unet.\1coders.\2.2."),
    (r"\bre_module\.", "real."),
    (r"\bim_module\.", "imaginary."),
]


@pytest.fixture(autouse=True)
def plain_integers(monkeypatch):
    """Asteroid gives its recurrent layers the sizes that NumPy computes, which torch refuses."""
    theirs = recurrent.DCCRMaskNetRNN
    monkeypatch.setattr(recurrent, "DCCRMaskNetRNN", lambda size: theirs(int(size)))


def patterns_of(ours):
    """Asteroid counts what is between as an encoder and a decoder, and the last decoder as neither."""
    last = len(ours.unet.decoders) - 1
    named = [(r"^masker\.output_layer\.0\.", f"unet.decoders.{last}.")]
    if ours.unet.between is None:
        return named + PATTERNS
    earlier = [
        (rf"^masker\.decoders\.{number + 1}\.", f"masker.decoders.{number}.")
        for number in range(last)
    ]
    return named + earlier + PATTERNS


def assert_equal_outputs(ours, theirs, window_length, num_samples):
    """Where asteroid's windows overlap: it adds no frames at the ends, so it gets the zeros of ours."""
    with torch.no_grad():
        for name, one in moved(theirs).named_buffers():
            if "running" in name:
                one.add_(0.1 * torch.rand_like(one))
    weights = {k: v for k, v in theirs.state_dict().items() if k.startswith("masker.")}
    ours.load_state_dict(renamed(weights, patterns_of(ours)))
    half = window_length // 2
    mixes = torch.randn(2, 1, num_samples)
    with torch.no_grad():
        found = ours.eval()(mixes).squeeze(2)
        expected = theirs(functional.pad(mixes, (half, half)))[..., half:-half]
    inside = slice(half, -half)
    torch.testing.assert_close(found[..., inside], expected[..., inside], atol=ATOL, rtol=1e-5)


@pytest.mark.parametrize("num_sources", [1, 3])
@pytest.mark.parametrize(
    ("settings", "of_theirs"),
    [
        ({"architecture": "mini"}, {}),
        ({"architecture": "mini", "mask_activation": "linear"}, {"mask_bound": None}),
        ({"architecture": "DCUNet-10"}, {}),
    ],
)
def test_dcunet(num_sources, settings, of_theirs):
    assert_equal_dcunets(num_sources, settings, of_theirs, 128)


@pytest.mark.parametrize("architecture", ["DCUNet-16", "DCUNet-20", "Large-DCUNet-20"])
def test_deep_dcunets(architecture):
    assert_equal_dcunets(1, {"architecture": architecture}, {}, 512)


def assert_equal_dcunets(num_sources, settings, of_theirs, window_length):
    hop_length = window_length // 4
    theirs = asteroid.DCUNet(
        settings["architecture"],
        n_src=num_sources,
        fix_length_mode="pad",
        stft_n_filters=window_length,
        stft_kernel_size=window_length,
        stft_stride=hop_length,
        **of_theirs,
    )
    ours = DCUNet(num_sources, window_length=window_length, hop_length=hop_length, **settings)
    assert_equal_outputs(ours, theirs, window_length, 15 * hop_length)


@pytest.mark.parametrize(
    ("num_sources", "settings", "of_theirs"),
    [
        (1, {}, {}),
        (3, {"mask_activation": "linear"}, {"mask_bound": None}),
    ],
)
@pytest.mark.parametrize("architecture", ["mini", "DCCRN-CL"])
def test_dccrn(architecture, num_sources, settings, of_theirs):
    theirs = asteroid.DCCRNet(architecture, n_src=num_sources, **of_theirs)
    assert_equal_outputs(DCCRN(num_sources, architecture, **settings), theirs, 400, 2000)


@pytest.mark.parametrize("num_sources", [1, 2])
def test_as_many_parameters_at_the_defaults(num_sources):
    for architecture in DCUNETS:
        theirs = asteroid.DCUNet(architecture, n_src=num_sources)
        assert number(DCUNet(num_sources, architecture)) == number(theirs)
    assert number(DCCRN(num_sources)) == number(asteroid.DCCRNet("DCCRN-CL", n_src=num_sources))
