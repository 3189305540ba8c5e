"""Our networks against their published implementations: the same weights, the same output."""

from functools import partial

import pytest
import torch

from audition.models import ConvTasNet, DPRNNTasNet, DPTNet, LSTMTasNet, SuDoRMRF
from tests.support.parity import ATOL, moved, number, renamed, with_weights_of

asteroid = pytest.importorskip(
    "asteroid.models", reason="needs pip install --no-deps -r requirements-peers.txt"
)
asteroid_maskers = pytest.importorskip("asteroid.masknn")

NAMES = {  # pattern of a parameter of asteroid → ours, in turns
    ConvTasNet: [
        (r"^masker\.TCN\.(\d+)\.shared_block\.([012])\.", r"masker.blocks.\1.expand.\2."),
        (r"^masker\.TCN\.(\d+)\.shared_block\.3\.(0\.)?", r"masker.blocks.\1.depthwise."),
        (r"^masker\.TCN\.(\d+)\.shared_block\.4\.", r"masker.blocks.\1.shape.0."),
        (r"^masker\.TCN\.(\d+)\.shared_block\.5\.", r"masker.blocks.\1.shape.1."),
        (r"^masker\.TCN\.(\d+)\.res_conv\.", r"masker.blocks.\1.residual."),
        (r"^masker\.TCN\.(\d+)\.skip_conv\.", r"masker.blocks.\1.skip."),
        (r"^masker\.mask_net\.", "masker.masks."),
        (r"^masker\.dense_skip\.", "masker.dense."),
        (r"^masker\.scaling_param$", "masker.scales"),
    ],
    DPRNNTasNet: [
        (r"^masker\.bottleneck\.", "masker.entry."),
        (r"^masker\.net\.(\d+)\.intra_RNN\.rnn\.", r"masker.blocks.\1.within.rnn."),
        (r"^masker\.net\.(\d+)\.inter_RNN\.rnn\.", r"masker.blocks.\1.across.rnn."),
        (r"^masker\.net\.(\d+)\.intra_linear\.", r"masker.blocks.\1.within.linear."),
        (r"^masker\.net\.(\d+)\.inter_linear\.", r"masker.blocks.\1.across.linear."),
        (r"^masker\.net\.(\d+)\.intra_norm\.", r"masker.blocks.\1.within_norm."),
        (r"^masker\.net\.(\d+)\.inter_norm\.", r"masker.blocks.\1.across_norm."),
        (r"^masker\.mask_net\.", "masker.exit."),
    ],
    DPTNet: [
        (r"^masker\.in_norm\.", "masker.entry."),
        (r"^masker\.layers\.(\d+)\.0\.", r"masker.blocks.\1.within."),
        (r"^masker\.layers\.(\d+)\.1\.", r"masker.blocks.\1.across."),
        (r"\.mha\.", ".attention."),
        (r"\.recurrent\.", ".rnn."),
        (r"\.norm_mha\.", ".attention_norm."),
        (r"\.norm_ff\.", ".linear_norm."),
    ],
    LSTMTasNet: [
        (r"^encoder\.(encoder_relu\.)?filterbank\._filters$", "filters.bank.encoder.weight"),
        (r"^encoder\.encoder_sig\.filterbank\._filters$", "filters.gate.encoder.weight"),
        (r"^decoder\.filterbank\._filters$", "filters.bank.decoder.weight"),
        (r"^masker\.bn_layer\.", "masker.norm."),
        (r"^masker\.masker\.0\.rnn\.", "masker.rnn."),
        (r"^masker\.masker\.1\.", "masker.linear."),
    ],
    SuDoRMRF: [
        (r"^encoder\.(encoder\.)?filterbank\._filters$", "filters.encoder.weight"),
        (r"^masker\.ln\.", "masker.bottleneck.0."),
        (r"^masker\.(l1|bottleneck)\.(weight|bias)", r"masker.bottleneck.1.\2"),
        (r"^masker\.sm\.", "masker.blocks."),
        (r"\.proj_1x1\.conv\.", ".expand.0."),
        (r"\.proj_1x1\.norm\.", ".expand.1."),
        (r"\.proj_1x1\.act\.", ".expand.2."),
        (r"\.spp_dw\.(\d+)\.conv\.", r".resolutions.\1.0."),
        (r"\.spp_dw\.(\d+)\.norm\.", r".resolutions.\1.1."),
        (r"\.final_norm\.norm\.", ".contract.0."),
        (r"\.final_norm\.act\.", ".contract.1."),
        (r"\.(conv_1x1_exp\.conv|res_conv)\.", ".contract.2."),
        (r"\.conv_1x1_exp\.norm\.", ".contract_norm."),
        (r"\.module_act\.norm\.", ".last.0."),
        (r"\.module_act\.act\.", ".last.1."),
        (r"^masker\.reshape_before_masks\.", "masker.masks.scores."),
        (r"^masker\.m\.", "masker.masks.masks."),
        (r"^masker\.mask_net\.", "masker.masks."),
    ],
}
EVERYWHERE = [
    (r"^(encoder|decoder)\.filterbank\._filters$", r"filters.\1.weight"),
    (r"^masker\.first_out\.", "masker.per_source."),
    (r"^masker\.net_out\.", "masker.value."),
    (r"^masker\.net_gate\.", "masker.gate."),
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
]
SMALL = {"n_filters": 32, "n_repeats": 2}
OURS = {"num_filters": 32, "num_repeats": 2}


def patterns_of(kind):
    return NAMES[kind] + EVERYWHERE


def assert_equal_outputs(ours, theirs, num_samples=16 + 8 * 300):
    mixes = torch.randn(2, 1, num_samples)
    ours = with_weights_of(moved(theirs), ours, patterns_of(type(ours)))
    with torch.no_grad():
        found, expected = ours(mixes), theirs(mixes)
    torch.testing.assert_close(found.squeeze(2), expected, atol=ATOL, rtol=ATOL)


@pytest.mark.parametrize(
    ("settings", "of_theirs"),
    [
        ({}, {}),
        ({"num_sources": 3, "skip_channels": 0}, {"n_src": 3, "skip_chan": 0}),
        ({"causal": True, "norm": "cLN"}, {"causal": True, "norm_type": "cLN"}),
        ({"causal": True, "norm": "cgLN"}, {"causal": True, "norm_type": "cgLN"}),
        ({"norm": "BN", "mask_activation": "relu"}, {"norm_type": "bN", "mask_act": "relu"}),
        (
            {"mask_activation": "softmax", "encoder_activation": "relu"},
            {"mask_act": "softmax", "encoder_activation": "relu"},
        ),
    ],
)
def test_conv_tasnet(settings, of_theirs):
    theirs = asteroid.ConvTasNet(**{"n_src": 2, **SMALL, "n_blocks": 3, **of_theirs})
    assert_equal_outputs(ConvTasNet(**OURS, num_blocks=3, **settings), theirs)


def test_the_masks_of_tdcn_plus_plus():
    """Asteroid has the masker alone, with weights for mixture consistency, which nothing here uses."""
    theirs = asteroid_maskers.TDConvNetpp(32, 2, n_blocks=3, n_repeats=2, mask_act="sigmoid")
    ours = ConvTasNet(**OURS, num_blocks=3, plus_plus=True, norm="fgLN").masker
    weights = moved(theirs).state_dict()
    weights = renamed(
        {f"masker.{name}": one for name, one in weights.items()}, patterns_of(ConvTasNet)
    )
    weights = {name.removeprefix("masker."): one for name, one in weights.items()}
    ours.load_state_dict({k: v for k, v in weights.items() if not k.startswith("consistency")})
    frames = torch.randn(2, 32, 300)
    with torch.no_grad():
        torch.testing.assert_close(ours(frames), theirs(frames)[0], atol=ATOL, rtol=ATOL)


@pytest.mark.parametrize(
    ("settings", "of_theirs"),
    [
        ({}, {}),
        (
            {"num_sources": 3, "chunk_size": 30, "hop_size": 10, "bidirectional": False},
            {"n_src": 3, "chunk_size": 30, "hop_size": 10, "bidirectional": False},
        ),
        (
            {"rnn_type": "GRU", "num_layers": 2, "norm": "cLN", "mask_activation": "relu"},
            {"rnn_type": "GRU", "num_layers": 2, "norm_type": "cLN", "mask_act": "relu"},
        ),
    ],
)
def test_dual_path_rnn(settings, of_theirs):
    theirs = asteroid.DPRNNTasNet(**{"n_src": 2, **SMALL, **of_theirs})
    assert_equal_outputs(DPRNNTasNet(**OURS, **settings), theirs)


@pytest.mark.parametrize("num_sources", [2, 3])
def test_dual_path_transformer(num_sources):
    theirs = asteroid.DPTNet(num_sources, **SMALL)
    assert_equal_outputs(DPTNet(num_sources, **OURS), theirs)


@pytest.mark.parametrize("num_sources", [2, 3])
@pytest.mark.parametrize(
    ("settings", "of_theirs"),
    [({}, {}), ({"causal": True, "norm": "cgLN"}, {"bidirectional": False})],
)
def test_lstm(num_sources, settings, of_theirs):
    theirs = asteroid.LSTMTasNet(num_sources, n_filters=32, hid_size=16, n_layers=2, **of_theirs)
    ours = LSTMTasNet(num_sources, 32, hidden_size=16, num_layers=2, **settings)
    assert_equal_outputs(ours, theirs)


@pytest.mark.parametrize("num_samples", [80, 1601, 2000])
@pytest.mark.parametrize(("num_sources", "kernel_size", "channels"), [(2, 21, 8), (3, 20, 32)])
@pytest.mark.parametrize("improved", [False, True])
def test_sudo_rm_rf(num_samples, num_sources, kernel_size, channels, improved):
    kind = asteroid.SuDORMRFImprovedNet if improved else asteroid.SuDORMRFNet
    sizes = {"n_filters": 32, "kernel_size": kernel_size, "bn_chan": channels}
    theirs = kind(num_sources, **sizes, num_blocks=2)
    ours = SuDoRMRF(num_sources, 32, kernel_size, channels, num_blocks=2, improved=improved)
    assert_equal_outputs(ours, theirs, num_samples)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ConvTasNet, asteroid.ConvTasNet),
        (DPRNNTasNet, asteroid.DPRNNTasNet),
        (DPTNet, asteroid.DPTNet),
        (LSTMTasNet, asteroid.LSTMTasNet),
        (SuDoRMRF, asteroid.SuDORMRFNet),
        (partial(SuDoRMRF, improved=True), asteroid.SuDORMRFImprovedNet),
    ],
)
def test_as_many_parameters_at_the_defaults(ours, theirs):
    assert number(ours()) == number(theirs(2))
