"""Our SepFormer against SpeechBrain's: the same weights, the same output."""

import sys
import types

import pytest
import torch

from audition.models import SepFormer
from tests.support.parity import ATOL, moved, number, renamed

NAMES = [  # pattern of a parameter of SpeechBrain → ours, in turns
    (r"^encoder\.conv1d\.", "filters.encoder."),
    (r"^decoder\.", "filters.decoder."),
    (r"^masknet\.norm\.", "masker.entry.0."),
    (r"^masknet\.conv1d\.", "masker.entry.1."),
    (r"^masknet\.dual_mdl\.(\d+)\.intra_norm\.", r"masker.blocks.\1.within_norm."),
    (r"^masknet\.dual_mdl\.(\d+)\.inter_norm\.", r"masker.blocks.\1.across_norm."),
    (r"^masknet\.dual_mdl\.(\d+)\.intra_mdl\.mdl\.", r"masker.blocks.\1.within."),
    (r"^masknet\.dual_mdl\.(\d+)\.inter_mdl\.mdl\.", r"masker.blocks.\1.across."),
    (r"\.self_att\.att\.", ".self_attn."),
    (r"\.pos_ffn\.ffn\.0\.", ".linear1."),
    (r"\.pos_ffn\.ffn\.3\.", ".linear2."),
    (r"(\.norm\d?)\.norm\.", r"\1."),
    (r"\.(within|across)\.norm\.", r".\1.layers.2."),  # after the two layers of these tests
    (r"^masknet\.prelu\.", "masker.per_source.0."),
    (r"^masknet\.conv2d\.", "masker.per_source.1."),
    (r"^masknet\.output\.", "masker.value."),
    (r"^masknet\.output_gate\.", "masker.gate."),
    (r"^masknet\.end_conv1x1\.", "masker.exit."),
]


@pytest.fixture(scope="module")
def theirs():
    """Its module of dual-path networks, which imports torchaudio and does not use it: no wheel of
    that fits our torch."""
    torchaudio = types.ModuleType("torchaudio")
    torchaudio.__version__ = "2.11.0"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchaudio", torchaudio)
        return pytest.importorskip(
            "speechbrain.lobes.models.dual_path",
            reason="needs pip install --no-deps -r requirements-peers.txt",
        )


@pytest.mark.parametrize("num_frames", [3, 99, 100, 250])
@pytest.mark.parametrize("num_sources", [2, 3])
def test_the_same_weights_give_the_same_estimates(theirs, num_frames, num_sources):
    network = theirs.SepformerWrapper(
        encoder_out_nchannels=32,
        masknet_chunksize=50,
        masknet_numspks=num_sources,
        intra_numlayers=2,
        inter_numlayers=2,
        intra_nhead=4,
        inter_nhead=4,
        intra_dffn=64,
        inter_dffn=64,
    )
    weights = renamed(moved(network).state_dict(), NAMES)
    ours = SepFormer(num_sources, 32, 16, 8, 32, 4, 64, num_layers=2, chunk_size=50).eval()
    ours.load_state_dict({name: one for name, one in weights.items() if "pos_enc" not in name})
    mixes = torch.randn(2, 1, 16 + 8 * (num_frames - 1))
    with torch.no_grad():
        found, expected = ours(mixes).squeeze(2), network(mixes.squeeze(1)).transpose(1, 2)
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=ATOL)


def test_as_many_parameters_at_the_defaults(theirs, monkeypatch):
    """Without weights, which its class would draw again and again."""
    monkeypatch.setattr(theirs.SepformerWrapper, "reset_layer_recursively", lambda *args: None)
    with torch.device("meta"):
        assert number(SepFormer()) == number(theirs.SepformerWrapper())
